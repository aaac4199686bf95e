import { assign, type AssignHolder, type AssignItem } from './assign.js';
import { type LeasedTopic, type PartitionMove } from './broker-lease-effect.js';
import { type BrokerLease } from './broker-lease.js';
import { type BrokerRegistry } from './broker-registry.js';
import { noteCutOff } from './cut-off.js';
import { type LeasedPartition } from './leased-partition.js';
import { type PartitionTable } from './partition-table.js';
import { placeInDirectory, type PlaceableDirectory } from './place.js';

/** Partitions that their owners are to give back, and when dealing is due again by time alone. */
export interface Dealt {
  readonly revoke: readonly LeasedPartition[];
  readonly againMs: number;
}

/** From when on what is new is placed in data directories: later, up to `byMs`, if a lease's holder is away. */
export interface Placing {
  readonly fromMs: number;
  readonly byMs: number;
}

/** Places what is new, grants what is free, and names what must move. */
export function dealPartitions(
  table: PartitionTable,
  registry: BrokerRegistry,
  { nowMs, placing, patienceMs }: { nowMs: number; placing: Placing; patienceMs: number },
): Dealt {
  const present = presentOf(registry);
  const placeAtMs = present.length < registry.leases.size ? placing.byMs : placing.fromMs;
  const unplaced = place(table, registry, { present, mayPlace: nowMs >= placeAtMs });
  const revoke: LeasedPartition[] = [];
  let againMs = noteCutOff(present, registry, { nowMs, patienceMs });
  againMs = unplaced && nowMs < placeAtMs ? Math.min(againMs, placeAtMs) : againMs;
  for (const { partition, target } of targets(table, registry, (one) => one.pinnedTo)) {
    if (partition.owner !== undefined) {
      partition.nextReason = registry.isAccepting(partition.owner) ? 'BALANCED' : 'DRAINED';
      revoke.push(partition);
    } else if (target.draining) {
      continue;
    } else if (partition.reservedUntilMs > nowMs && partition.incarnation !== target.incarnation) {
      againMs = Math.min(againMs, partition.reservedUntilMs);
    } else {
      table.grant(partition, target);
    }
  }
  return { revoke, againMs };
}

/** The changes of owner that balance would ask for if no partition were pinned. */
export function movesUnpinned(table: PartitionTable, registry: BrokerRegistry): PartitionMove[] {
  return targets(table, registry, () => '').flatMap(({ partition: { topic, partition, owner }, target }) =>
    owner === undefined ? [] : [{ topic, partition, from: owner.name, to: target.name }],
  );
}

/** Partitions that are to have another owner, and which. */
function targets(
  table: PartitionTable,
  registry: BrokerRegistry,
  pinnedTo: (partition: LeasedPartition) => string,
): { partition: LeasedPartition; target: BrokerLease }[] {
  const present = presentOf(registry);
  const dealt: LeasedPartition[] = [];
  const items: AssignItem[] = [];
  for (const { settings, partitions } of table.topics()) {
    for (const partition of partitions) {
      if (isPlaced(settings, partition) && isDealt(partition)) {
        dealt.push(partition);
        items.push(itemOf(partition, settings, pinnedTo(partition)));
      }
    }
  }
  const names = assign(
    present.map((lease) => holderOf(lease, registry)),
    items,
  );
  const byName = new Map(present.map((lease) => [lease.name, lease]));
  return dealt.flatMap((partition, index) => {
    const target = byName.get(names[index] ?? '');
    return target === undefined || target === partition.owner ? [] : [{ partition, target }];
  });
}

/** An owner whose stream is gone keeps its partitions until its lease ends: they are not dealt. */
function isDealt({ owner }: LeasedPartition): boolean {
  return owner === undefined || owner.session !== undefined;
}

/** Leases of brokers that can be told what they get. */
function presentOf(registry: BrokerRegistry): BrokerLease[] {
  return [...registry.leases].filter((lease) => lease.session !== undefined);
}

/** Gives new partitions that need a directory theirs; true if some must wait for one. */
function place(
  table: PartitionTable,
  registry: BrokerRegistry,
  { present, mayPlace }: { present: readonly BrokerLease[]; mayPlace: boolean },
): boolean {
  const unplaced = [...table.topics()].flatMap(({ settings, partitions }) =>
    settings.inDataDirectory ? partitions.filter(({ dataDirectory }) => dataDirectory === '') : [],
  );
  if (unplaced.length === 0 || !mayPlace) {
    return unplaced.length > 0;
  }
  const directories = directoriesOf(present, table, registry);
  let waiting = false;
  for (const partition of unplaced) {
    const group = table.settings(partition.topic)?.brokerGroup ?? '';
    const chosen = placeInDirectory(directories, partition.topic, group);
    const directory = directories.find((one) => one.dataDirectory === chosen);
    if (directory === undefined) {
      waiting = true;
      continue;
    }
    partition.dataDirectory = directory.dataDirectory;
    note(directory, partition.topic);
    table.touch(partition);
  }
  return waiting;
}

type Directory = PlaceableDirectory & { partitions: number; topics: Map<string, number> };

/** The present brokers' directories, and what lives in them. */
function directoriesOf(present: readonly BrokerLease[], table: PartitionTable, registry: BrokerRegistry): Directory[] {
  const directories = new Map<string, Directory>();
  for (const lease of present) {
    const { dataDirectory, brokerGroup, zone, host, weight, capacity } = lease;
    if (dataDirectory !== '') {
      const bounds = { partitionsMax: boundOf(capacity), accepting: registry.isAccepting(lease) };
      const place = { dataDirectory, brokerGroup, zone, host, weight };
      directories.set(dataDirectory, { ...place, partitions: 0, topics: new Map(), ...bounds });
    }
  }
  for (const { topic, dataDirectory } of table.all()) {
    const directory = directories.get(dataDirectory);
    if (directory !== undefined) {
      note(directory, topic);
    }
  }
  return [...directories.values()];
}

/** One more partition of `topic` lives there. */
function note(directory: Directory, topic: string): void {
  directory.partitions += 1;
  directory.topics.set(topic, (directory.topics.get(topic) ?? 0) + 1);
}

/** Whether it has all the places that it needs. */
function isPlaced(settings: LeasedTopic, { dataSource, dataDirectory }: LeasedPartition): boolean {
  const isOnDataSource = settings.dataSources === undefined || dataSource !== '';
  return isOnDataSource && (!settings.inDataDirectory || dataDirectory !== '');
}

function holderOf(lease: BrokerLease, registry: BrokerRegistry): AssignHolder {
  const { name, brokerGroup: group, zone, host, weight, capacity, dataDirectory, cutOff } = lease;
  const accepting = registry.isAccepting(lease);
  return { name, group, zone, host, weight, itemsMax: boundOf(capacity), dataDirectory, accepting, cutOff };
}

function itemOf(of: LeasedPartition, { brokerGroup: group }: LeasedTopic, pinnedTo: string): AssignItem {
  const { topic, partition, dataDirectory, dataSource, owner } = of;
  return { topic, partition, group, dataDirectory, dataSource, holder: owner?.name ?? '', pinnedTo };
}

function boundOf(capacity: number): number {
  return capacity > 0 ? capacity : Number.POSITIVE_INFINITY;
}
