import { type HermesError } from '@hermes/contracts';
import { type LeaseAssignment, type LeaseChange } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { type Clock, type Random, sleep, type TaskGroup, type Timers } from '@hermes/runtime';
import { type Catalog } from '../catalog/catalog.js';
import { type LeaseOrders } from '../lease/lease-session.js';
import { Gate } from './gate.js';
import { retryFaults } from './operating-fault.js';
import { type OwnedTopic } from './owned-topic.js';
import { OwnedTopics } from './owned-topics.js';
import { type OpenOutcome, type PartitionOpener } from './partition-opener.js';
import { type PartitionSlot } from './partition-slot.js';
import { PartitionSlots } from './partition-slots.js';
import { type Partition } from './partition.js';
import { ReadyReports } from './ready-reports.js';
import { Refusals } from './refusals.js';
import { TopicSweeper } from './topic-sweeper.js';

/** What the broker tells the meta-server about its partitions. */
export interface LeaseReports {
  ready(assignments: readonly LeaseAssignment[]): void;
  released(assignment: LeaseAssignment): void;
  epochTooLow(assignment: LeaseAssignment, observed: number): void;
}

export interface OwnershipOptions {
  /** host:port of this broker; known once its port is bound. */
  readonly endpoint: () => string;
  /** Whether a meta-server answers at this time. */
  readonly hasMeta: () => boolean;
  readonly catalog: Catalog;
  readonly opener: PartitionOpener;
  readonly reports: LeaseReports;
  readonly tasks: TaskGroup;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Openings at once: each costs a few reads and commits, and many at once would starve what is served already. */
const OPENINGS_AT_ONCE = 16;

/** Partitions that are given back at once: each pauses until another broker serves it, so none waits for many others. */
const GIVEN_BACK_AT_ONCE = 8;

/** How long callers wait for a partition that is being opened, before they are told to come again. */
const OPENING_PATIENCE_MS = 1_000;

/** What is under way may end before a partition is opened again with more lanes. */
const LANES_GRACE_MS = 2_000;

/**
 * Which partitions this broker owns and what state they are in: does what the lease commands and reports what is done.
 */
export class Ownership implements LeaseOrders {
  readonly #options: OwnershipOptions;
  readonly #slots = new PartitionSlots();
  readonly #topics: OwnedTopics;
  readonly #refusals: Refusals;
  readonly #sweeper: TopicSweeper;
  readonly #readied: ReadyReports;
  readonly #openings = new Gate(OPENINGS_AT_ONCE);
  readonly #returns = new Gate(GIVEN_BACK_AT_ONCE);
  #draining = false;

  constructor(options: OwnershipOptions) {
    const { catalog, reports, endpoint, hasMeta } = options;
    this.#options = options;
    this.#topics = new OwnedTopics(catalog);
    this.#refusals = new Refusals({ slots: this.#slots, catalog, endpoint, hasMeta });
    this.#sweeper = new TopicSweeper(options);
    this.#readied = new ReadyReports((assignments) => {
      reports.ready(assignments);
    });
  }

  /** The topic, if any partition of it is open here. */
  topic(name: string): OwnedTopic | undefined {
    return this.#topics.get(name);
  }

  get topics(): Iterable<OwnedTopic> {
    return this.#topics;
  }

  /** Number of partitions by state, for metrics. */
  count(kind: PartitionSlot['state']['kind']): number {
    let count = 0;
    for (const slot of this.#slots) {
      count += slot.state.kind === kind ? 1 : 0;
    }
    return count;
  }

  /**
   * Resolves once none of these partitions is being opened here any more, or after a while; undefined: none is. For those
   * who know the owner as soon as it is granted: what they are to be refused would take them longer.
   */
  opening(topic: string, partitions: readonly number[]): Promise<void> | undefined {
    const slots = partitions.map((partition) => this.#slots.find(topic, partition));
    const opening = slots.flatMap((slot) => (slot?.state.kind === 'opening' ? [slot.opened] : []));
    return opening.length === 0 ? undefined : this.#patiently(Promise.all(opening));
  }

  /** Why `partition` (undefined: any) of `topic` is not served here, as the caller shall hear it. */
  refusal(topic: string, partition: number | undefined, field?: string): Promise<HermesError> {
    return this.#refusals.explain(topic, partition, field);
  }

  /** The lease has changed: close at once what is no longer held, open what is new. */
  changed(change: LeaseChange): void {
    for (const assignment of change.closed) {
      this.#taken(assignment, change.expired);
    }
    for (const assignment of change.opened) {
      this.#granted(assignment);
    }
    for (const assignment of change.updated) {
      this.#updated(assignment);
    }
  }

  /** Give it back in order: flush, tell the subscribers, release. */
  revoked(assignment: LeaseAssignment, graceMs: number): void {
    const slot = this.#slots.held(assignment);
    if (slot !== undefined) {
      this.#options.tasks.run('give a partition back', () => this.#giveBackInTurn(slot, () => graceMs));
    }
  }

  /** A meta-server has registered us: it may be a new one, which does not know what is served. */
  registered(): void {
    for (const slot of this.#slots) {
      if (slot.state.kind === 'open') {
        this.#readied.add(slot.served);
      }
    }
  }

  /** Gives everything back, and whatever is granted from now on. What is not flushed by then is abandoned. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    this.#sweeper.stop();
    const { clock } = this.#options;
    const endsAtMs = clock.monotonicMs() + graceMs;
    const leftMs = (): number => Math.max(0, endsAtMs - clock.monotonicMs());
    await Promise.all(Array.from(this.#slots, (slot) => this.#giveBackInTurn(slot, leftMs)));
    await this.#slots.allEnded();
  }

  async #patiently(event: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const patience = sleep(this.#options.timers, OPENING_PATIENCE_MS, over.signal).catch(() => undefined);
    await Promise.race([event, patience]);
    over.abort();
  }

  #granted(assignment: LeaseAssignment): void {
    if (this.#draining) {
      this.#options.reports.released(assignment);
      return;
    }
    const slot = this.#slots.add(assignment);
    this.#run('open a partition', slot, () => this.#openings.run(() => this.#open(slot)));
  }

  #updated(assignment: LeaseAssignment): void {
    const slot = this.#slots.held(assignment);
    if (slot === undefined) {
      return;
    }
    const grown = assignment.revision > slot.assignment.revision;
    slot.assignment = assignment;
    if (grown) {
      this.#run('apply a revision', slot, () => this.#refresh(slot));
    }
  }

  #taken(assignment: LeaseAssignment, expired: boolean): void {
    const slot = this.#slots.find(assignment.topic, assignment.partition);
    if (slot === undefined) {
      return;
    }
    const ended = this.#close(slot);
    if (!expired) {
      this.#options.tasks.run('sweep a deleted topic', async () => {
        await ended;
        if (slot.topic !== undefined) {
          await this.#sweeper.sweep(slot.topic, assignment);
        }
      });
    }
  }

  /** Does a step after those before it, again while the store or the meta-server fails and the slot is still wanted. */
  #run(what: string, slot: PartitionSlot, step: () => Promise<void>): void {
    const { tasks, timers, random, logger } = this.#options;
    const onFault = (error: unknown): void => {
      logger.warn({ ...facts(slot.assignment), err: error }, 'a partition step failed and is tried again');
    };
    tasks.run(what, () => slot.then(() => retryFaults(step, { timers, random, signal: slot.closed, onFault })));
  }

  async #open(slot: PartitionSlot): Promise<void> {
    const { assignment } = slot;
    const entry = await this.#topics.read(assignment.topic, assignment.revision);
    if (slot.isClosed) {
      return;
    }
    if (entry === undefined) {
      this.#release(slot);
      return;
    }
    const topic = this.#topics.share(entry, assignment.revision);
    slot.topic = topic;
    await this.#opened(slot, await this.#options.opener.open(topic, assignment), assignment);
  }

  /** `opening` is the assignment as it was when its opening began. */
  async #opened(slot: PartitionSlot, opened: OpenOutcome, opening: LeaseAssignment): Promise<void> {
    const { logger, reports } = this.#options;
    if (slot.isClosed) {
      await (opened.kind === 'opened' ? opened.partition.close() : undefined);
      return;
    }
    switch (opened.kind) {
      case 'opened':
        this.#serve(slot, opened.partition);
        this.#applied(slot, opening.revision);
        return;
      case 'epochTooLow':
        void this.#close(slot);
        reports.epochTooLow(opening, opened.observed);
        return;
      case 'dataLoss':
        slot.become({ kind: 'quarantined', detail: opened.detail });
        logger.error({ ...facts(opening), detail: opened.detail }, 'a partition is quarantined');
    }
  }

  #serve(slot: PartitionSlot, partition: Partition): void {
    slot.become({ kind: 'open', partition });
    partition.onStoodDown = (why): void => {
      this.#stoodDown(slot, why);
    };
    partition.topic.add(partition);
    this.#options.logger.info(facts(slot.assignment), 'a partition is open');
  }

  async #refresh(slot: PartitionSlot): Promise<void> {
    const { assignment, topic } = slot;
    const entry = await this.#topics.read(assignment.topic, assignment.revision);
    const { partition } = slot;
    if (partition === undefined || entry === undefined || entry.topic.id !== topic?.settings.id) {
      // Deleted, and perhaps made again under the name: what is open here will be taken.
      return;
    }
    partition.topic.update(entry, assignment.revision);
    if (partition.lanes.length < entry.topic.lanes) {
      // More lanes come with an opening: it is granted again at once.
      await partition.drain(LANES_GRACE_MS);
      if (!slot.isClosed) {
        this.#release(slot);
      }
      return;
    }
    await partition.applyGroups();
    if (!slot.isClosed) {
      this.#applied(slot, assignment.revision);
    }
  }

  #applied(slot: PartitionSlot, revision: number): void {
    slot.appliedRevision = revision;
    this.#readied.add(slot.served);
  }

  /** Nothing can be stored at this epoch any more, so the lease of it is given up. */
  #stoodDown(slot: PartitionSlot, why: string): void {
    if (!slot.isClosed) {
      this.#options.logger.warn({ ...facts(slot.assignment), why }, 'a partition stands down');
      this.#release(slot);
    }
  }

  #release(slot: PartitionSlot): void {
    void this.#close(slot);
    this.#options.reports.released(slot.assignment);
  }

  /** What no other broker can have need not wait for its turn. */
  #giveBackInTurn(slot: PartitionSlot, graceMs: () => number): Promise<void> {
    const giveBack = (): Promise<void> => this.#giveBack(slot, graceMs());
    return slot.partition?.isMovable === true ? this.#returns.run(giveBack) : giveBack();
  }

  /** What is being opened is given back as well, once that has ended. */
  async #giveBack(slot: PartitionSlot, graceMs: number): Promise<void> {
    await slot.partition?.drain(graceMs);
    if (!slot.isClosed) {
      await this.#close(slot);
      this.#options.reports.released(slot.assignment);
    }
  }

  /** From this call on nothing is served. Resolves once nothing of the partition runs any more; is watched as a task. */
  #close(slot: PartitionSlot): Promise<void> {
    const { topic } = slot.assignment;
    const { partition } = slot;
    if (partition !== undefined) {
      partition.topic.remove(partition);
      this.#options.logger.info(facts(slot.assignment), 'a partition is closed');
    }
    const ended = this.#slots.end(slot);
    if (!this.#slots.hasTopic(topic)) {
      this.#topics.forget(topic);
    }
    this.#options.tasks.run('close a partition', () => ended);
    return ended;
  }
}

function facts({ topic, partition, epoch }: LeaseAssignment): Record<string, string | number> {
  return { topic, partition, epoch };
}
