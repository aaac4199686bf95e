import { type Durability, HermesError } from '@hermes/contracts';
import { type GroupChange, type GroupSnapshot, type LaneCursor } from '@hermes/delivery';
import {
  type GroupState,
  type PartitionStore,
  type ReadBounds,
  type RecordBlock,
  type StorageEngine,
  StoreError,
} from '@hermes/log';
import { sleep } from '@hermes/runtime';
import { type GroupSettings } from '../catalog/settings.js';
import { commitFailure } from '../rpc/store-failure.js';
import { durabilityOf } from '../storage/durability.js';
import { Receipts } from '../subscribe/receipts.js';
import { GroupPump } from './group-pump.js';
import { openLane } from './open-lane.js';
import { endOf, type Lane } from './lane.js';
import { type OwnedTopic } from './owned-topic.js';
import { type PartitionServices } from './partition-services.js';
import { KnownPublishes } from '../publish/known-publishes.js';
import { PartitionSchedule } from '../schedule/partition-schedule.js';
import { SettlePump } from './settle-pump.js';

const STORE_PAUSE_MS = 200;

/** A partition's store, and the storage that it is in. */
export interface OpenStore {
  readonly engine: StorageEngine;
  readonly store: PartitionStore;
}

/**
 * One partition that this process owns: its lanes, its groups, and what connects them. Serves until it is drained,
 * closed, fenced, or the lease ends; from then on every append, delivery and settle is refused.
 */
export class Partition {
  readonly topic: OwnedTopic;
  readonly number: number;
  readonly epoch: number;
  /** Whether another broker can have it. */
  readonly isMovable: boolean;
  readonly lanes: readonly Lane[];
  readonly receipts: Receipts;
  readonly settles: SettlePump;
  readonly schedule: PartitionSchedule;
  readonly known: KnownPublishes;
  /** Told once why nothing can be stored any more at this epoch. */
  onStoodDown: (why: string) => void = () => undefined;
  readonly #store: PartitionStore;
  readonly #services: PartitionServices;
  readonly #groups = new Map<string, GroupPump>();
  readonly #watchers = new Set<() => void>();
  #stopped = false;
  #leaving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(topic: OwnedTopic, { engine, store }: OpenStore, services: PartitionServices) {
    this.topic = topic;
    this.number = store.partition;
    this.epoch = store.epoch;
    this.isMovable = engine.capabilities.movable;
    this.receipts = new Receipts(store.receiptKey);
    this.#store = store;
    this.#services = services;
    const fenced = (): void => {
      this.#standDown('a newer owner has written');
    };
    void store.lost.then(({ message }) => {
      this.#standDown(message);
    });
    this.settles = new SettlePump({
      groupState: store.groupState,
      timers: services.timers,
      random: services.random,
      onFenced: fenced,
    });
    const appended = (): void => {
      this.#appended();
    };
    const durability = (): Durability => durabilityOf(store.durability ?? engine.capabilities.durability);
    const isOwner = engine.capabilities.appendFence ? undefined : (): boolean => services.isLeased();
    const on = { appended, fenced, durability, isOwner };
    this.lanes = store.lanes.map((log) => openLane(log, topic.settings.name, services, on));
    this.schedule = new PartitionSchedule({
      ...{ schedule: store.schedule, lanes: this.lanes, services, onFenced: fenced },
      nowMs: () => store.timeMs(),
      isServing: () => this.isServing,
    });
    this.known = new KnownPublishes({
      ...{ state: store.producers, lanes: this.lanes, onFenced: fenced },
      ...{ tasks: services.tasks, logger: services.logger },
      nextScheduleId: () => this.schedule.nextId,
      nowMs: () => store.timeMs(),
    });
  }

  /** Whether anything may be done here at this moment: a comparison, asked before each append, delivery and settle. */
  get isServing(): boolean {
    return !this.#stopped && this.#services.isLeased();
  }

  get groups(): Iterable<GroupPump> {
    return this.#groups.values();
  }

  group(name: string): GroupPump | undefined {
    return this.#groups.get(name);
  }

  /** The store's time: retries are due by it. */
  timeMs(): number {
    return this.#store.timeMs();
  }

  /** The groups' stored state. What changes a running group is for that group's own code: see `commit`. */
  get groupState(): Pick<GroupState, 'load' | 'counts' | 'retryRecord' | 'deadLetters' | 'deadLettersByAge'> {
    return this.#store.groupState;
  }

  /** Cached records from `from` on; undefined if they have to be read. */
  cached(lane: Lane, from: number, bounds: ReadBounds): RecordBlock | undefined {
    return lane.tail.read(from, bounds);
  }

  /** Records from `from` on, from memory or from storage. */
  async read(lane: Lane, from: number, bounds: ReadBounds): Promise<RecordBlock> {
    const cached = this.cached(lane, from, bounds);
    if (cached !== undefined) {
      return cached;
    }
    await lane.log.feed?.arrival(from);
    return this.cached(lane, from, bounds) ?? this.#services.pages.read(lane.log, from, bounds);
  }

  /** Passes before a store that failed is asked again. */
  storePause(): Promise<void> {
    return sleep(this.#services.timers, STORE_PAUSE_MS);
  }

  /** Calls `listener` at each append and when serving ends; gives a function that stops it. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => {
      this.#watchers.delete(listener);
    };
  }

  /**
   * Makes the groups what the topic says: new ones are stored at their start, durably, before this resolves; those
   * that are gone are deleted.
   */
  async applyGroups(): Promise<void> {
    const wanted = this.topic.groups;
    for (const [name, pump] of this.#groups) {
      if (wanted.get(name)?.id !== pump.settings.id) {
        this.#groups.delete(name);
        pump.stop(new HermesError('GROUP_NOT_FOUND', `group ${name} was deleted`));
      }
    }
    const applied = await Promise.allSettled([
      this.#deleteGroupsBut(new Set([...wanted.values()].map(({ id }) => id))),
      ...[...wanted.values()].map((settings) => this.#applyGroup(settings)),
    ]);
    // Only once nothing is under way any more: the caller tries again, and a group must not be made by two.
    const failed = applied.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      throw failed.reason;
    }
  }

  /** Stops serving and waits, at most `graceMs`, until what was taken in is durable and answered. */
  async drain(graceMs: number): Promise<void> {
    const done = new AbortController();
    const patience = sleep(this.#services.timers, graceMs, done.signal).catch(() => undefined);
    this.#leaving ??= this.#leave(patience);
    await Promise.race([this.#leaving, patience]);
    done.abort();
  }

  async #leave(patience: Promise<void>): Promise<void> {
    // While everybody is still served: what is published meanwhile the next owner finds in the log.
    await Promise.race([this.known.save(), patience]);
    const inFlight = [...this.#groups.values()].flatMap((pump) => pump.handOver() ?? []);
    this.#stop(new HermesError('DRAINING', `partition ${this.number} is moving`));
    // Promotions append: the lanes are flushed after them.
    const appended = this.schedule.flush().then(() => Promise.all(this.lanes.map((lane) => lane.appender.flush())));
    await Promise.all([appended, this.settles.flush().then(() => this.#handOver(inFlight))]);
  }

  /** Ends at once: what is under way and not answered is answered as unknown. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop(new HermesError('PARTITION_MOVING', `partition ${this.number} has moved`));
    this.settles.close();
    this.schedule.close();
    for (const lane of this.lanes) {
      lane.appender.abandon();
      lane.tail.close();
      this.#services.pages.forget(lane.log);
    }
    try {
      await this.#store.close();
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind === 'fatal') {
        throw error;
      }
      // Whatever is left open there can write nothing once the partition is opened again.
      this.#services.logger.warn({ partition: this.number, err: error }, 'a partition’s store could not be closed');
    }
  }

  /** What is not stored for the next owner is delivered again there. */
  async #handOver(inFlight: readonly GroupChange[]): Promise<void> {
    try {
      await this.commit(inFlight);
    } catch (error) {
      this.#services.logger.warn({ partition: this.number, err: error }, 'what is in flight could not be handed over');
    }
  }

  async #deleteGroupsBut(ids: ReadonlySet<number>): Promise<void> {
    const gone = (await this.#store.groupState.groupIds()).filter((id) => !ids.has(id));
    await this.commit(gone.map((groupId) => ({ kind: 'deleted', groupId })));
  }

  async #applyGroup(settings: GroupSettings): Promise<void> {
    const known = this.#groups.get(settings.name);
    if (known?.settings.mode === settings.mode) {
      known.update(settings);
      return;
    }
    if (known !== undefined) {
      await this.#retire(known);
    }
    const { groupState } = this.#store;
    let snapshot = await groupState.load(settings.id);
    if (snapshot === undefined) {
      await this.commit([{ kind: 'created', groupId: settings.id, lanes: await this.#startOf(settings) }]);
      snapshot = await groupState.load(settings.id);
    }
    if (snapshot === undefined) {
      throw new HermesError('STORAGE_UNAVAILABLE', `group ${settings.name} is not stored`);
    }
    snapshot = await this.#withAllLanes(snapshot);
    const pump = new GroupPump(this, settings, snapshot, this.#services);
    // What was in flight is known here from now on; if it does not start, it is delivered again.
    const inherited = snapshot.inFlight.length > 0;
    await Promise.all([
      pump.start(),
      inherited ? this.commit([{ kind: 'inFlight', groupId: settings.id, held: [] }]) : undefined,
    ]);
    if (this.#stopped) {
      pump.stop(new HermesError('PARTITION_MOVING', `partition ${this.number} has moved`));
    } else {
      this.#groups.set(settings.name, pump);
    }
  }

  /** The topic may have got more priority levels since the group was made: it takes those lanes from their beginnings. */
  async #withAllLanes(snapshot: GroupSnapshot): Promise<GroupSnapshot> {
    const missing = this.lanes.slice(snapshot.lanes.length);
    if (missing.length === 0) {
      return snapshot;
    }
    const cursors = missing.map(({ number, log }) => ({ lane: number, floor: log.firstOffset, settled: [] }));
    const { groupId, lanes } = snapshot;
    await this.commit(cursors.map((cursor) => ({ kind: 'cursor', groupId, cursor })));
    return { ...snapshot, lanes: [...lanes, ...cursors] };
  }

  /**
   * Another mode needs another dispatcher. The meta-server allows it only while nobody is subscribed. From this call on
   * nobody finds the group; what it has decided is durable before another one is loaded.
   */
  async #retire(pump: GroupPump): Promise<void> {
    const { name } = pump.settings;
    this.#groups.delete(name);
    pump.stop(new HermesError('PARTITION_MOVING', `group ${name} changes its mode`));
    while (!this.#stopped && (await this.settles.write(pump)) !== undefined) {
      // The store refused it, and it is being tried again.
    }
  }

  /** A group that is being created starts where it says; one that others know already misses nothing that is kept. */
  #startOf({ creating, start }: GroupSettings): Promise<LaneCursor[]> {
    return Promise.all(
      this.lanes.map(async ({ number, log }) => {
        const first = !creating || start === 'earliest';
        const floor = first ? log.firstOffset : start === 'latest' ? await endOf(log) : await log.offsetAt(start);
        return { lane: number, floor, settled: [] };
      }),
    );
  }

  /** Stores changes of groups, durably; throws why they are not, or may not be, stored. */
  async commit(changes: readonly GroupChange[]): Promise<void> {
    if (changes.length === 0) {
      return;
    }
    const outcome = await this.#store.groupState.commit(changes);
    const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
    if (definite.kind === 'fenced') {
      this.#standDown('a newer owner has written');
    }
    if (definite.kind !== 'committed') {
      throw commitFailure(definite);
    }
  }

  #appended(): void {
    for (const pump of this.#groups.values()) {
      pump.wake();
    }
    this.#tellWatchers();
  }

  #standDown(why: string): void {
    if (!this.#stopped) {
      this.#stop(new HermesError('PARTITION_MOVING', `partition ${this.number} is moving: ${why}`));
      this.onStoodDown(why);
    }
  }

  #stop(reason: HermesError): void {
    if (this.#stopped) {
      return;
    }
    this.#stopped = true;
    for (const pump of this.#groups.values()) {
      pump.stop(reason);
    }
    this.#tellWatchers();
  }

  #tellWatchers(): void {
    for (const listener of this.#watchers) {
      listener();
    }
  }
}
