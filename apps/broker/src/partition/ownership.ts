import { HermesError, invalidField } from '@hermes/contracts';
import { type LeaseAssignment, type LeaseChange } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { StoreError } from '@hermes/log';
import { Backoff, type Random, sleep, type TaskGroup, type Timers } from '@hermes/runtime';
import { type Catalog } from '../catalog/catalog.js';
import { type TopicEntry } from '../catalog/settings.js';
import { TopicReader } from '../catalog/topic-reader.js';
import { type LeaseOrders } from '../lease/lease-session.js';
import { Gate } from './gate.js';
import { OwnedTopic } from './owned-topic.js';
import { type PartitionOpener } from './partition-opener.js';
import { type Partition } from './partition.js';
import { PartitionSlot } from './partition-slot.js';

/** What the broker tells the meta-server about its partitions. */
export interface LeaseReports {
  ready(assignments: readonly LeaseAssignment[]): void;
  released(assignment: LeaseAssignment): void;
  epochTooLow(assignment: LeaseAssignment, observed: number): void;
}

export interface OwnershipOptions {
  /** host:port of this broker; known once its port is bound. */
  readonly endpoint: () => string;
  readonly catalog: Catalog;
  readonly opener: PartitionOpener;
  readonly reports: LeaseReports;
  readonly tasks: TaskGroup;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Openings at once: each costs a few reads and commits, and many at once would starve what is served already. */
const OPENINGS_AT_ONCE = 16;

/** Between two tries to open, refresh or delete while the meta-server or the store does not answer. */
const RETRY = { initialMs: 100, maxMs: 5_000 };

/** Tries to find out whether a partition that was taken away belongs to a deleted topic. */
const SWEEP_TRIES = 20;

const MOVING_RETRY_AFTER_MS = 100;

/**
 * Which partitions this broker owns and what state they are in: does what the lease commands, reports what is done,
 * and tells callers why a partition is not served here.
 */
export class Ownership implements LeaseOrders {
  readonly #options: OwnershipOptions;
  readonly #reader: TopicReader;
  readonly #gate = new Gate(OPENINGS_AT_ONCE);
  readonly #slots = new Map<string, PartitionSlot>();
  readonly #topics = new Map<string, OwnedTopic>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #ended = new AbortController();
  #readied: LeaseAssignment[] = [];

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#reader = new TopicReader(options.catalog);
  }

  /** The topic, if any partition of it is open here. */
  topic(name: string): OwnedTopic | undefined {
    return this.#topics.get(name);
  }

  get topics(): Iterable<OwnedTopic> {
    return this.#topics.values();
  }

  /** Number of partitions by state, for metrics. */
  count(kind: PartitionSlot['state']['kind']): number {
    let count = 0;
    for (const slot of this.#slots.values()) {
      count += slot.state.kind === kind ? 1 : 0;
    }
    return count;
  }

  /** Why `partition` (undefined: any) of `topic` is not served here, as the caller shall hear it. */
  async refusal(topic: string, partition: number | undefined): Promise<HermesError> {
    const slot = partition === undefined ? undefined : this.#slots.get(partitionKey(topic, partition));
    if (slot?.state.kind === 'quarantined') {
      return new HermesError('RECORD_CORRUPT', `${topic}/${partition ?? 0} is quarantined: ${slot.state.detail}`);
    }
    if (slot !== undefined) {
      return moving(topic, partition);
    }
    try {
      return await this.#refusalByRoutes(topic, partition);
    } catch {
      // No meta-server answers: the caller's own routes are as good as ours.
      return notOwner(topic, partition);
    }
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
    const slot = this.#slots.get(partitionKey(assignment.topic, assignment.partition));
    if (slot?.assignment.epoch === assignment.epoch) {
      this.#options.tasks.run('give a partition back', () => this.#giveBack(slot, graceMs));
    }
  }

  /** A meta-server has registered us: it may be a new one, which does not know what is served. */
  registered(): void {
    for (const slot of this.#slots.values()) {
      if (slot.state.kind === 'open') {
        this.#reportReady(slot);
      }
    }
  }

  /** Gives everything back. What is not flushed by then is abandoned. */
  async drain(graceMs: number): Promise<void> {
    this.#ended.abort(new Error('the broker stops'));
    await Promise.all([...this.#slots.values()].map((slot) => this.#giveBack(slot, graceMs)));
    await Promise.all(this.#closing.values());
  }

  async #refusalByRoutes(topic: string, partition: number | undefined): Promise<HermesError> {
    const { partitionCount, routes } = await this.#options.catalog.routes(topic);
    if (partitionCount === 0) {
      return new HermesError('TOPIC_NOT_FOUND', `there is no topic ${topic}`);
    }
    if (partition !== undefined && (partition < 0 || partition >= partitionCount)) {
      return invalidField('partition', `0 to ${partitionCount - 1}`);
    }
    const route = partition === undefined ? [...routes.values()].find(hasOwner) : routes.get(partition);
    if (route === undefined || !hasOwner(route) || route.endpoint === this.#options.endpoint()) {
      return moving(topic, partition);
    }
    return notOwner(topic, partition, { endpoint: route.endpoint, epoch: String(route.epoch) });
  }

  #granted(assignment: LeaseAssignment): void {
    const key = partitionKey(assignment.topic, assignment.partition);
    const slot = new PartitionSlot(assignment);
    this.#slots.set(key, slot);
    const before = this.#closing.get(key);
    this.#options.tasks.run('open a partition', () =>
      slot.then(async () => {
        await before;
        await this.#gate.run(() => this.#untilDone(slot, () => this.#open(slot)));
      }),
    );
  }

  #updated(assignment: LeaseAssignment): void {
    const slot = this.#slots.get(partitionKey(assignment.topic, assignment.partition));
    if (slot?.assignment.epoch !== assignment.epoch) {
      return;
    }
    const grown = assignment.revision > slot.assignment.revision;
    slot.assignment = assignment;
    if (grown) {
      this.#options.tasks.run('apply a revision', () =>
        slot.then(() => this.#untilDone(slot, () => this.#refresh(slot))),
      );
    }
  }

  #taken(assignment: LeaseAssignment, expired: boolean): void {
    const slot = this.#slots.get(partitionKey(assignment.topic, assignment.partition));
    if (slot === undefined) {
      return;
    }
    this.#close(slot);
    if (!expired) {
      this.#options.tasks.run('sweep a deleted topic', () => this.#sweep(slot));
    }
  }

  /** Tries again while it fails for want of a store or a meta-server, and the slot is still wanted. */
  async #untilDone(slot: PartitionSlot, step: () => Promise<void>): Promise<void> {
    const backoff = new Backoff(RETRY, this.#options.random);
    while (!slot.isClosed) {
      try {
        await step();
        return;
      } catch (error) {
        if (!isOperatingFault(error)) {
          throw error;
        }
        const { topic, partition } = slot.assignment;
        this.#options.logger.warn({ topic, partition, err: error }, 'a partition step failed and is tried again');
        await sleep(this.#options.timers, backoff.nextDelayMs(), this.#ended.signal).catch(() => undefined);
        if (this.#ended.signal.aborted) {
          return;
        }
      }
    }
  }

  async #open(slot: PartitionSlot): Promise<void> {
    const { assignment } = slot;
    const entry = await this.#reader.read(assignment.topic, assignment.revision);
    if (slot.isClosed) {
      return;
    }
    if (entry === undefined) {
      this.#close(slot);
      this.#options.reports.released(assignment);
      return;
    }
    slot.topicId = entry.topic.id;
    const topic = this.#ownedTopic(entry);
    const opened = await this.#options.opener.open(topic, assignment);
    switch (opened.kind) {
      case 'opened':
        await this.#opened(slot, topic, opened.partition, assignment.revision);
        return;
      case 'epochTooLow':
        this.#close(slot);
        this.#options.reports.epochTooLow(assignment, opened.observed);
        return;
      case 'dataLoss':
        slot.state = { kind: 'quarantined', detail: opened.detail };
        this.#options.logger.error({ ...facts(assignment), detail: opened.detail }, 'a partition is quarantined');
    }
  }

  async #opened(slot: PartitionSlot, topic: OwnedTopic, partition: Partition, revision: number): Promise<void> {
    if (slot.isClosed) {
      await partition.close();
      return;
    }
    slot.state = { kind: 'open', partition };
    partition.onFenced = (): void => {
      this.#fenced(slot);
    };
    topic.add(partition);
    this.#options.logger.info(facts(slot.assignment), 'a partition is open');
    this.#reportReady(slot, revision);
  }

  async #refresh(slot: PartitionSlot): Promise<void> {
    const { topic: name, revision } = slot.assignment;
    const entry = await this.#reader.read(name, revision);
    const partition = slot.partition;
    if (entry === undefined || partition === undefined) {
      return;
    }
    const topic = this.#topics.get(name);
    topic?.update(entry);
    await partition.applyGroups();
    this.#reportReady(slot, revision);
  }

  /** The topic object that all partitions share; one that was deleted and made again is another topic. */
  #ownedTopic(entry: TopicEntry): OwnedTopic {
    const known = this.#topics.get(entry.topic.name);
    if (known?.settings.id === entry.topic.id) {
      known.update(entry);
      return known;
    }
    const topic = new OwnedTopic(entry, this.#options.opener.durability);
    this.#topics.set(entry.topic.name, topic);
    return topic;
  }

  #reportReady(slot: PartitionSlot, revision = slot.assignment.revision): void {
    if (slot.isClosed) {
      return;
    }
    if (this.#readied.length === 0) {
      // What becomes ready in one turn is one message.
      setImmediate(() => {
        const readied = this.#readied;
        this.#readied = [];
        this.#options.reports.ready(readied);
      });
    }
    this.#readied.push({ ...slot.assignment, revision });
  }

  /** A newer owner has written: nothing can be stored any more, so this lease is given up. */
  #fenced(slot: PartitionSlot): void {
    if (!slot.isClosed) {
      this.#options.logger.warn(facts(slot.assignment), 'a partition was fenced by a newer owner');
      this.#close(slot);
      this.#options.reports.released(slot.assignment);
    }
  }

  async #giveBack(slot: PartitionSlot, graceMs: number): Promise<void> {
    const { assignment } = slot;
    await slot.partition?.drain(graceMs);
    if (!slot.isClosed) {
      this.#close(slot);
      await this.#closing.get(partitionKey(assignment.topic, assignment.partition));
      this.#options.reports.released(assignment);
    }
  }

  /** From this call on nothing is served; the store is closed once `#closing` says so. */
  #close(slot: PartitionSlot): void {
    const { topic: name, partition: number } = slot.assignment;
    const key = partitionKey(name, number);
    const { partition } = slot;
    slot.state = { kind: 'closed' };
    if (this.#slots.get(key) === slot) {
      this.#slots.delete(key);
    }
    if (![...this.#slots.values()].some((other) => other.assignment.topic === name)) {
      this.#topics.delete(name);
      this.#reader.forget(name);
    }
    if (partition === undefined) {
      return;
    }
    partition.topic.remove(partition);
    this.#options.logger.info(facts(slot.assignment), 'a partition is closed');
    const closing = partition.close().finally(() => {
      if (this.#closing.get(key) === closing) {
        this.#closing.delete(key);
      }
    });
    this.#closing.set(key, closing);
    this.#options.tasks.run('close a partition', () => closing);
  }

  /** Deletes the storage of a partition whose topic is gone. */
  async #sweep(slot: PartitionSlot): Promise<void> {
    const { topic, partition } = slot.assignment;
    const { topicId } = slot;
    if (topicId === undefined || this.#options.opener.movable) {
      return;
    }
    await this.#closing.get(partitionKey(topic, partition));
    const backoff = new Backoff(RETRY, this.#options.random);
    for (let tries = 0; tries < SWEEP_TRIES && !this.#ended.signal.aborted; tries += 1) {
      try {
        const entry = await this.#options.catalog.readTopic(topic);
        if (entry?.topic.id !== topicId) {
          await this.#options.opener.delete(topicId, partition);
          this.#options.logger.info({ topic, partition }, 'a deleted topic’s partition is swept');
        }
        return;
      } catch (error) {
        if (!isOperatingFault(error)) {
          throw error;
        }
        await sleep(this.#options.timers, backoff.nextDelayMs(), this.#ended.signal).catch(() => undefined);
      }
    }
  }
}

/** Topic names hold no slash. */
function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function isOperatingFault(error: unknown): boolean {
  return error instanceof HermesError || (error instanceof StoreError && error.kind !== 'fatal');
}

function hasOwner(route: { readonly endpoint: string }): boolean {
  return route.endpoint !== '';
}

function facts({ topic, partition, epoch }: LeaseAssignment): Record<string, string | number> {
  return { topic, partition, epoch };
}

function place(topic: string, partition: number | undefined): string {
  return partition === undefined ? topic : `${topic}/${partition}`;
}

function moving(topic: string, partition: number | undefined): HermesError {
  return new HermesError('PARTITION_MOVING', `${place(topic, partition)} is being opened or moved`, {
    retryAfterMs: MOVING_RETRY_AFTER_MS,
  });
}

function notOwner(topic: string, partition: number | undefined, details: Record<string, string> = {}): HermesError {
  return new HermesError('NOT_OWNER', `this broker does not own ${place(topic, partition)}`, { details });
}
