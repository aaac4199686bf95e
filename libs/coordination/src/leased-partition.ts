import { type AssignmentReason, type PartitionView, type PersistedAssignment } from './broker-lease-effect.js';
import { type BrokerLease } from './broker-lease.js';
import { type Route } from './lease.js';

/** A partition as the leader knows it. */
export interface LeasedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Highest ever granted or observed. */
  epoch: number;
  /** Changed by the table alone, which also keeps what each lease owns. */
  owner: BrokerLease | undefined;
  /** Name and process of the last owner. */
  broker: string;
  incarnation: number;
  created: boolean;
  dataDirectory: string;
  dataSource: string;
  /** Broker that an operator moved it to; empty: none. Forgotten when another one gets it. */
  pinnedTo: string;
  /** Revision that the owner has applied at this epoch; -1: it does not serve yet. */
  servedRevision: number;
  /** Until then it goes to nobody but `incarnation`, which may not know yet that it lost it. */
  reservedUntilMs: number;
  /** Why the owner has it; kept in memory alone. */
  reason: AssignmentReason;
  /** Why it goes to the next owner, as far as that is known. */
  nextReason: AssignmentReason;
}

/** The partition as ListPartitions shows it. */
export function viewOf(partition: LeasedPartition, isRevoked: boolean): PartitionView {
  const { topic, partition: number, owner, epoch, dataDirectory } = partition;
  const serves = partition.servedRevision >= 0 && !isRevoked;
  return {
    topic,
    partition: number,
    broker: owner?.name ?? '',
    endpoint: owner?.endpoint ?? '',
    epoch,
    state: owner === undefined ? 'UNOWNED' : serves ? 'OWNED' : 'MOVING',
    dataSource: placeOf(partition),
    dataDirectory,
    pinned: isPinned(partition),
    reason: reasonOf(partition),
  };
}

/** Where it lives and what an operator said outlasts the leader; other reasons do not. */
function reasonOf(partition: LeasedPartition): AssignmentReason | undefined {
  if (partition.owner === undefined) {
    return undefined;
  }
  if (partition.dataDirectory !== '') {
    return 'DATA_DIRECTORY';
  }
  return isPinned(partition) ? 'MOVED' : partition.reason;
}

function isPinned({ owner, pinnedTo }: LeasedPartition): boolean {
  return owner?.name === pinnedTo;
}

/** The data source that has the partition, else its data directory; empty: none yet. */
export function placeOf({ dataSource, dataDirectory }: LeasedPartition): string {
  return dataSource || dataDirectory;
}

/** What is known of a partition that has no row yet. */
const NEW_PARTITION: Omit<PersistedAssignment, 'topic' | 'partition'> = {
  epoch: 0,
  broker: '',
  incarnation: 0,
  created: false,
  dataDirectory: '',
  dataSource: '',
  pinned: false,
};

/** A partition that nobody owns yet, from its row if it has one. */
export function createPartition(topic: string, partition: number, row = NEW_PARTITION): LeasedPartition {
  const { epoch, broker, incarnation, created, dataDirectory, dataSource, pinned } = row;
  return {
    ...{ topic, partition, epoch, broker, incarnation, created, dataDirectory, dataSource },
    pinnedTo: pinned ? broker : '',
    owner: undefined,
    servedRevision: -1,
    reservedUntilMs: Number.NEGATIVE_INFINITY,
    reason: 'ADOPTED',
    nextReason: epoch === 0 ? 'CREATED' : 'ADOPTED',
  };
}

/** What of it is stored. */
export function rowOf(partition: LeasedPartition): PersistedAssignment {
  const { topic, partition: number, owner, incarnation, epoch, created, dataDirectory, dataSource } = partition;
  return {
    topic,
    partition: number,
    broker: owner?.name ?? '',
    incarnation,
    epoch,
    created,
    dataDirectory,
    dataSource,
    pinned: isPinned(partition),
  };
}

export function routeOf({ partition, owner, epoch }: LeasedPartition): Route {
  return { partition, endpoint: owner?.endpoint ?? '', epoch };
}
