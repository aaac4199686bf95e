import {
  type AssignmentReason,
  type LeasedTopic,
  type PartitionView,
  type PersistedAssignment,
} from './broker-lease-effect.js';
import { type BrokerLease } from './broker-lease.js';
import { type HeldPartition, type LeaseAssignment, partitionKey, type TopicRoutes } from './lease.js';
import { createPartition, type LeasedPartition, placeOf, routeOf, rowOf, viewOf } from './leased-partition.js';
import { placeOnDataSource } from './place.js';
import { Revocations } from './revocations.js';

/** A topic and its partitions, by number. */
export interface TopicInTable {
  readonly settings: LeasedTopic;
  readonly partitions: readonly LeasedPartition[];
}

type TopicState = TopicInTable & { readonly partitions: LeasedPartition[] };

/** Deleted topics whose epochs are remembered, so that a topic made anew under the name starts above them. */
const DELETED_TOPICS_MAX = 10_000;

/** All topics and partitions, who owns them, and which of them have changed since the last push. */
export class PartitionTable {
  /** Partitions that their owners are asked to give back. */
  readonly revocations = new Revocations<LeasedPartition>();
  readonly #topics = new Map<string, TopicState>();
  readonly #owned = new Map<BrokerLease, Set<LeasedPartition>>();
  /** How many partitions each data source has. */
  readonly #placed = new Map<string, number>();
  readonly #deletedEpochs = new Map<string, number>();
  readonly #unsaved = new Set<LeasedPartition>();
  readonly #unrouted = new Map<string, Set<LeasedPartition>>();

  constructor(topics: readonly LeasedTopic[], rows: readonly PersistedAssignment[]) {
    const saved = new Map(rows.map((row) => [partitionKey(row.topic, row.partition), row]));
    for (const topic of topics) {
      const partitions = Array.from({ length: topic.partitions }, (_, partition) => {
        const row = saved.get(partitionKey(topic.name, partition));
        this.#countPlaced(row?.dataSource ?? '', 1);
        return createPartition(topic.name, partition, row);
      });
      this.#topics.set(topic.name, { settings: topic, partitions });
    }
    for (const topic of topics) {
      this.#placeOnDataSources(topic);
    }
  }

  topics(): Iterable<TopicInTable> {
    return this.#topics.values();
  }

  *all(): Generator<LeasedPartition> {
    for (const { partitions } of this.#topics.values()) {
      yield* partitions;
    }
  }

  settings(topic: string): LeasedTopic | undefined {
    return this.#topics.get(topic)?.settings;
  }

  of(topic: string): readonly LeasedPartition[] {
    return this.#topics.get(topic)?.partitions ?? [];
  }

  find(topic: string, partition: number): LeasedPartition | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  /** The partition, if this lease holds it at exactly this epoch. */
  held(lease: BrokerLease, { topic, partition, epoch }: HeldPartition): LeasedPartition | undefined {
    const found = this.find(topic, partition);
    return found?.owner === lease && found.epoch === epoch ? found : undefined;
  }

  /** What a lease owns, in no order. */
  ownedBy(lease: BrokerLease): ReadonlySet<LeasedPartition> {
    return this.#owned.get(lease) ?? NOTHING;
  }

  /** Whether any partition lives in a data directory. */
  livesIn(dataDirectory: string): boolean {
    for (const partition of this.all()) {
      if (partition.dataDirectory === dataDirectory) {
        return true;
      }
    }
    return false;
  }

  /** Adds or changes a topic; partitions are never taken away. */
  upsert(topic: LeasedTopic): void {
    const partitions = this.#topics.get(topic.name)?.partitions ?? [];
    for (let number = partitions.length; number < topic.partitions; number++) {
      const partition = createPartition(topic.name, number, undefined);
      partition.epoch = this.#deletedEpochs.get(topic.name) ?? 0;
      partitions.push(partition);
      this.touch(partition);
    }
    this.#topics.set(topic.name, { settings: topic, partitions });
    this.#placeOnDataSources(topic);
  }

  /** Removes a topic with its partitions; owners are to be told. */
  remove(topic: string): void {
    const partitions = this.of(topic);
    this.#topics.delete(topic);
    const epoch = Math.max(this.#deletedEpochs.get(topic) ?? 0, ...partitions.map((partition) => partition.epoch));
    this.#deletedEpochs.set(topic, epoch);
    const oldest = this.#deletedEpochs.keys().next();
    if (this.#deletedEpochs.size > DELETED_TOPICS_MAX && oldest.done !== true) {
      this.#deletedEpochs.delete(oldest.value);
    }
    for (const partition of partitions) {
      this.#own(partition, undefined);
      this.#countPlaced(partition.dataSource, -1);
      this.revocations.end(partition);
      this.#unsaved.delete(partition);
    }
    this.#unrouted.set(topic, new Set());
  }

  /** Notes who may hold a partition since before the leader's start. */
  restore(partition: LeasedPartition, lease: BrokerLease): void {
    this.#own(partition, lease);
  }

  /** Gives a partition to `lease`, at an epoch that nobody has had. */
  grant(partition: LeasedPartition, lease: BrokerLease): void {
    if (partition.owner !== lease) {
      partition.reason = partition.pinnedTo === lease.name ? 'MOVED' : partition.nextReason;
    }
    this.#own(partition, lease);
    partition.broker = lease.name;
    partition.incarnation = lease.incarnation;
    partition.epoch += 1;
    if (partition.pinnedTo !== lease.name) {
      partition.pinnedTo = '';
    }
    this.#reset(partition);
  }

  /** Takes a partition from its owner, whose lease of it has ended; `reason` is why the next one will have it. */
  free(partition: LeasedPartition, reason: AssignmentReason): void {
    partition.nextReason = reason;
    this.#own(partition, undefined);
    this.#reset(partition);
  }

  /** Notes to whom an operator wants it moved; empty: nobody in particular. */
  pin(partition: LeasedPartition, broker: string): void {
    if (partition.pinnedTo !== broker) {
      partition.pinnedTo = broker;
      this.touchRow(partition);
    }
  }

  /** Notes that the partition's row and route have changed. */
  touch(partition: LeasedPartition): void {
    this.#unsaved.add(partition);
    const unrouted = this.#unrouted.get(partition.topic) ?? new Set();
    this.#unrouted.set(partition.topic, unrouted.add(partition));
  }

  /** Notes that the row alone has changed. */
  touchRow(partition: LeasedPartition): void {
    this.#unsaved.add(partition);
  }

  /** Rows that changed since the last call. */
  takeUnsaved(): PersistedAssignment[] {
    const rows = [...this.#unsaved].map(rowOf);
    this.#unsaved.clear();
    return rows;
  }

  /** Routes that changed since the last call. */
  takeUnrouted(): TopicRoutes[] {
    const changed = [...this.#unrouted].map(([topic, partitions]) => this.#routesOf(topic, partitions));
    this.#unrouted.clear();
    return changed;
  }

  routes(topic?: string): TopicRoutes[] {
    const topics = topic === undefined ? [...this.#topics.keys()] : [topic];
    return topics.map((name) => this.#routesOf(name, this.of(name)));
  }

  #routesOf(topic: string, partitions: Iterable<LeasedPartition>): TopicRoutes {
    return { topic, partitionCount: this.of(topic).length, routes: [...partitions].map(routeOf) };
  }

  /** What the broker is told that it holds: all of it, by topic and partition. */
  assignments(lease: BrokerLease): LeaseAssignment[] {
    return [...this.ownedBy(lease)].sort(byPartition).map((partition) => this.assignment(partition));
  }

  /** Partitions of one topic or of all, as ListPartitions shows them. */
  views(topic?: string): PartitionView[] {
    const partitions = topic === undefined ? this.all() : this.of(topic);
    return Array.from(partitions, (partition) => viewOf(partition, this.revocations.has(partition)));
  }

  /** How many partitions a lease owns, and how many of them are not served yet or to be given back. */
  countsOf(lease: BrokerLease): { partitions: number; movingPartitions: number } {
    const owned = [...this.ownedBy(lease)];
    const isMoving = (one: LeasedPartition): boolean => one.servedRevision < 0 || this.revocations.has(one);
    return { partitions: owned.length, movingPartitions: owned.filter(isMoving).length };
  }

  /** What the owner is told about one of its partitions. */
  assignment(partition: LeasedPartition): LeaseAssignment {
    const { topic, partition: number, epoch, created } = partition;
    const revision = this.settings(topic)?.revision ?? 0;
    return { topic, partition: number, epoch, endpoint: '', revision, created, dataSource: placeOf(partition) };
  }

  /** Places what is new, at once: shared storage needs no broker for that. */
  #placeOnDataSources({ name, dataSources }: LeasedTopic): void {
    const unplaced = this.of(name).filter(({ dataSource }) => dataSource === '');
    if (dataSources === undefined || unplaced.length === 0) {
      return;
    }
    const ofTopic = (source: string): number => this.of(name).filter(({ dataSource }) => dataSource === source).length;
    const sources = dataSources.names.map((source) => ({
      ...{ name: source, partitions: this.#placed.get(source) ?? 0, ofTopic: ofTopic(source) },
    }));
    for (const partition of unplaced) {
      const chosen = placeOnDataSource(sources, dataSources);
      const source = sources.find((one) => one.name === chosen);
      if (source !== undefined) {
        source.partitions += 1;
        source.ofTopic += 1;
        partition.dataSource = source.name;
        this.#countPlaced(source.name, 1);
      }
      this.touch(partition);
    }
  }

  #countPlaced(dataSource: string, by: 1 | -1): void {
    const count = (this.#placed.get(dataSource) ?? 0) + by;
    if (count === 0) {
      this.#placed.delete(dataSource);
    } else {
      this.#placed.set(dataSource, count);
    }
  }

  /** Changes the owner; the former and the new one are to be told. */
  #own(partition: LeasedPartition, lease: BrokerLease | undefined): void {
    const former = partition.owner;
    partition.owner = lease;
    if (former !== undefined) {
      former.dirty = true;
      const owned = this.#owned.get(former);
      owned?.delete(partition);
      if (owned?.size === 0) {
        this.#owned.delete(former);
      }
    }
    if (lease !== undefined) {
      lease.dirty = true;
      const owned = this.#owned.get(lease) ?? new Set();
      this.#owned.set(lease, owned.add(partition));
    }
  }

  #reset(partition: LeasedPartition): void {
    partition.servedRevision = -1;
    this.revocations.end(partition);
    this.touch(partition);
  }
}

const NOTHING: ReadonlySet<LeasedPartition> = new Set();

function byPartition(a: LeasedPartition, b: LeasedPartition): number {
  return a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1;
}
