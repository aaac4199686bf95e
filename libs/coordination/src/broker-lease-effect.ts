import { type CloseReason, type LeaseAssignment, type SessionId, type TopicRoutes } from './lease.js';

/** A partition's row in the metadata database. */
export interface PersistedAssignment {
  readonly topic: string;
  readonly partition: number;
  /** Name of the owner; empty: unowned. */
  readonly broker: string;
  /** The owner's process; kept when unowned. */
  readonly incarnation: number;
  /** Highest epoch ever granted or observed. Never lowered. */
  readonly epoch: number;
  /** True once an owner was ready: the storage must exist from then on. */
  readonly created: boolean;
  /** Where a partition lives, or what its shared storage cannot keep; empty: not placed yet, or in no directory. */
  readonly dataDirectory: string;
  /** Where a partition in shared storage lives; empty: not placed yet, or in a data directory alone. */
  readonly dataSource: string;
  /** True: an operator moved it to its owner. */
  readonly pinned: boolean;
}

/** A broker's row in the metadata database. */
export interface PersistedBroker {
  readonly name: string;
  readonly incarnation: number;
  readonly endpoint: string;
  readonly zone: string;
  readonly brokerGroup: string;
  readonly dataDirectory: string;
  /** Drained by an operator: gets nothing new until that is cancelled. */
  readonly drained: boolean;
}

/** A broker's process. */
export interface BrokerProcess {
  readonly broker: string;
  readonly incarnation: number;
}

/** Upserts `assignments` and `brokers` and deletes `forgottenBrokers`, in one transaction. */
export interface PersistEffect {
  readonly kind: 'persist';
  readonly assignments: readonly PersistedAssignment[];
  readonly brokers: readonly PersistedBroker[];
  readonly forgottenBrokers: readonly string[];
  /** Processes that registered: from now on each, and no other of its name, may renew its lease in the database. */
  readonly registered: readonly BrokerProcess[];
}

/**
 * Ends a lease in the database, where its holder may have renewed it, unless it lasts longer than `lastsAtMostMs` from
 * now; the holder can renew it no more. Reports through `leaseEnded` how long it lasts instead; 0: it has ended.
 */
export interface EndLeaseEffect extends BrokerProcess {
  readonly kind: 'endLease';
  readonly check: number;
  readonly lastsAtMostMs: number;
}

/** Sends a grant. `sequence` 0: pushed, prolongs nothing. `assignments` are complete if `changed`, else empty. */
export interface BrokerGrantEffect {
  readonly kind: 'grant';
  readonly session: SessionId;
  readonly sequence: number;
  readonly ttlMs: number;
  readonly changed: boolean;
  readonly assignments: readonly LeaseAssignment[];
}

/** Asks a broker to give a partition back. */
export interface BrokerRevokeEffect {
  readonly kind: 'revoke';
  readonly session: SessionId;
  readonly assignment: LeaseAssignment;
  readonly graceMs: number;
}

/** Ends a stream; `sessionEnded` need not be called for it. */
export interface CloseEffect {
  readonly kind: 'close';
  readonly session: SessionId;
  readonly reason: CloseReason;
  /** The consumer of the stream whom the reason is about. */
  readonly member?: number;
}

/** Tries a TCP connect to `endpoint` and reports through `probed` whether it was refused (any other outcome: not). */
export interface ProbeEffect {
  readonly kind: 'probe';
  readonly probe: number;
  readonly broker: string;
  readonly incarnation: number;
  readonly endpoint: string;
}

/** Tells the watchers of routes. */
export interface RoutesEffect {
  readonly kind: 'routes';
  readonly changed: readonly TopicRoutes[];
}

/** The readiness of a topic changed: whoever waits for it looks at `isReady` again. */
export interface ReadyEffect {
  readonly kind: 'ready';
  readonly topic: string;
}

/**
 * What the shell does, strictly in this order: `persist` and `endLease` must be durable before any later effect is
 * carried out. One that fails ends the process: what follows it was decided on its success.
 */
export type BrokerLeaseEffect =
  | PersistEffect
  | EndLeaseEffect
  | BrokerGrantEffect
  | BrokerRevokeEffect
  | CloseEffect
  | ProbeEffect
  | RoutesEffect
  | ReadyEffect;

/** Introduces a broker process. */
export interface BrokerRegistration {
  readonly broker: string;
  readonly incarnation: number;
  readonly endpoint: string;
  readonly host: string;
  readonly zone: string;
  readonly brokerGroup: string;
  /** Its share of the partitions in proportion to other brokers': above 0. */
  readonly weight: number;
  /** Partitions that it may own; 0 = any number. Those that live in its data directory are always its own. */
  readonly capacity: number;
  /** Id of its data directory; empty = no embedded storage. */
  readonly dataDirectory: string;
  /** What it still holds; anything else counts as released. */
  readonly held: readonly { readonly topic: string; readonly partition: number; readonly epoch: number }[];
}

/** A topic whose partitions are to be owned. */
export interface LeasedTopic {
  readonly name: string;
  readonly partitions: number;
  /** Of the topic and its groups; grows with each change of theirs. */
  readonly revision: number;
  /** Brokers with this group only; the name must match exactly. */
  readonly brokerGroup: string;
  /** True: partitions live, at least in part, in a data directory and stay there. False: any broker may open them. */
  readonly inDataDirectory: boolean;
  /** Where partitions of shared storage may be placed; unset: nowhere in particular. */
  readonly dataSources?: DataSourceChoice;
}

/** The data sources among which a topic's new partitions are placed. */
export interface DataSourceChoice {
  readonly names: readonly string[];
  /** True: the topic names these. False: it names none, and these are all of its storage class. */
  readonly named: boolean;
}

/**
 * Why a partition's owner has it. `ADOPTED`: an earlier leader gave it, which leaves no reason behind. `CREATED`: it was
 * new. `BALANCED`: its earlier owner had more than its share, or may not hold it any more. `OWNER_LOST`: the earlier owner's
 * lease ended. `RELEASED`: that one gave it up by itself, or came back without it. `DRAINED`: that one was drained or
 * stopped. `MOVED`: an operator moved it there. `DATA_DIRECTORY`: it lives there.
 */
export type AssignmentReason =
  'ADOPTED' | 'CREATED' | 'BALANCED' | 'OWNER_LOST' | 'RELEASED' | 'DRAINED' | 'MOVED' | 'DATA_DIRECTORY';

/** One partition as ListPartitions shows it. */
export interface PartitionView {
  readonly topic: string;
  readonly partition: number;
  readonly broker: string;
  readonly endpoint: string;
  readonly epoch: number;
  /** MOVING: granted and not ready yet, or to be given back. */
  readonly state: 'OWNED' | 'MOVING' | 'UNOWNED';
  readonly dataSource: string;
  /** Empty: it can move. */
  readonly dataDirectory: string;
  /** True: an operator moved it to its owner. */
  readonly pinned: boolean;
  /** Undefined: nobody owns it. */
  readonly reason: AssignmentReason | undefined;
}

/** One change of owner. */
export interface PartitionMove {
  readonly topic: string;
  readonly partition: number;
  /** Names of brokers. */
  readonly from: string;
  readonly to: string;
}

/** Why a partition cannot be moved to a broker. */
export type MoveRefusal =
  | { readonly kind: 'unknownTopic' | 'unknownBroker' | 'brokerNotActive' | 'inDataDirectory' }
  | { readonly kind: 'unknownPartition'; readonly partitions: number }
  | { readonly kind: 'otherBrokerGroup'; readonly brokerGroup: string }
  | { readonly kind: 'full'; readonly capacity: number };

/** One broker as GetCluster shows it. */
export interface BrokerView {
  readonly name: string;
  readonly endpoint: string;
  readonly zone: string;
  readonly brokerGroup: string;
  readonly dataDirectory: string;
  readonly state: 'ACTIVE' | 'DRAINING' | 'GONE';
  readonly partitions: number;
  /** Of these, granted and not ready yet, or to be given back. */
  readonly movingPartitions: number;
  /** An operator drained it. */
  readonly drained: boolean;
  /** The process that holds the lease, its weight, and how long it lasts unless it is heard; undefined: none does. */
  readonly lease: { readonly incarnation: number; readonly weight: number; readonly leftMs: number } | undefined;
}
