import { HermesError } from '@hermes/contracts';
import {
  type Credit,
  type DispatchOrder,
  GroupDispatcher,
  type GroupSnapshot,
  type LaneCounts,
  type Now,
  type SettleOutcome,
  type SettleRequest,
  type Wanted,
} from '@hermes/delivery';
import { type RecordBlock, StoreError } from '@hermes/log';
import { type CancelTimer } from '@hermes/runtime';
import { type GroupSettings } from '../catalog/settings.js';
import { storeFailure } from '../rpc/store-failure.js';
import { type FrameEntry } from '../subscribe/delivery-frame.js';
import { type Subscription } from '../subscribe/subscription.js';
import { GroupMember } from './group-member.js';
import { type Partition } from './partition.js';
import { type PartitionServices } from './partition-services.js';
import { type FoundRecord, RecordFinder } from './record-finder.js';
import { type ChangeBatch, type ChangeSource } from './settle-pump.js';

/** Records that one step feeds per lane: bounds the work of a turn. */
const STEP_RECORDS = 1_024;
const STEP_BYTES = 1024 * 1024;

/** How near the end of the log a group has to be for its fences to be looked for. */
const FENCES_MAX = 8;

/** Pause after the store failed to give records. */
const READ_RETRY_MS = 200;

/** Dead letters that are remembered, so that a late ACK of one is refused. */
const DEAD_MAX = 10_000;

/** What a stream asks of one group in one partition. */
export interface JoinRequest {
  readonly subscription: Subscription;
  readonly consumerEpoch: number;
  readonly ackDeadlineMs: number;
  readonly credit: Credit;
}

/**
 * One group in one owned partition: turns appends, credit, commits and timers into calls of its GroupDispatcher, and
 * what that gives into frames. Woken by events, never polling; one small step at a time.
 */
export class GroupPump implements ChangeSource {
  readonly #partition: Partition;
  readonly #services: PartitionServices;
  readonly #dispatcher: GroupDispatcher;
  readonly #finders: readonly RecordFinder[];
  readonly #members = new Map<number, GroupMember>();
  readonly #dead = new Set<string>();
  #settings: GroupSettings;
  #taken: ChangeBatch | undefined;
  #deliveries = 0;
  #scheduled = false;
  #loading = false;
  #stopped = false;
  #cancelTimer: CancelTimer = () => undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(partition: Partition, settings: GroupSettings, snapshot: GroupSnapshot, services: PartitionServices) {
    this.#partition = partition;
    this.#settings = settings;
    this.#services = services;
    this.#finders = partition.lanes.map(() => new RecordFinder());
    this.#dispatcher = new GroupDispatcher({
      mode: settings.mode,
      settings: { retry: settings.retry, paused: settings.paused },
      snapshot,
      redeliveredBelow: partition.lanes.map(({ log }) => log.nextOffset),
      nextDeliveryNo: () => {
        this.#deliveries += 1;
        return this.#deliveries;
      },
      random: services.random,
    });
    this.#armTimer();
  }

  get settings(): GroupSettings {
    return this.#settings;
  }

  get gauges(): GroupDispatcher['gauges'] {
    return this.#dispatcher.gauges;
  }

  get members(): Iterable<GroupMember> {
    return this.#members.values();
  }

  update(settings: GroupSettings): void {
    this.#settings = settings;
    this.#dispatcher.configure({ retry: settings.retry, paused: settings.paused });
    this.wake();
  }

  /**
   * Adds a stream; the newer one of a consumer takes the partition from its older one. Throws FENCED if the claim is
   * the older one. In EXCLUSIVE groups nothing is delivered before the claim is durable: see `settle`.
   */
  join({ subscription, consumerEpoch, ackDeadlineMs, credit }: JoinRequest): GroupMember {
    const { consumer } = subscription;
    const rivals = [...this.#members.values()].filter((member) => member.subscription.consumer === consumer);
    for (const rival of rivals) {
      if (rival.consumerEpoch > consumerEpoch) {
        throw fenced(rival.consumerEpoch);
      }
    }
    // In the other modes the epoch only tells a consumer's newer stream from its older one: receipts are without it.
    const receiptEpoch = this.#settings.mode === 'exclusive' ? consumerEpoch : 0;
    const outcome = this.#dispatcher.subscribe({
      id: subscription.id,
      consumer,
      consumerEpoch: receiptEpoch,
      ackDeadlineMs,
      credit,
    });
    if (outcome.kind === 'fenced') {
      throw fenced(outcome.consumerEpoch);
    }
    this.#dispatcher.setWritable(subscription.id, false);
    const older = outcome.fenced.flatMap((id) => this.#members.get(id) ?? []);
    for (const rival of new Set([...rivals, ...older])) {
      this.#remove(rival);
      rival.leave(fenced(consumerEpoch));
    }
    const member = new GroupMember({
      subscription,
      partition: this.#partition.number,
      consumerEpoch,
      receiptEpoch,
      receiptTag: this.#partition.receipts.tag(this.#settings.id, consumer, receiptEpoch),
      events: {
        writable: (each, isWritable) => {
          this.#dispatcher.setWritable(each.id, isWritable);
          this.wake();
        },
        detached: (each) => {
          this.#remove(each);
        },
        creditFreed: () => {
          this.wake();
        },
      },
    });
    this.#members.set(subscription.id, member);
    return member;
  }

  /**
   * Passes over fences at the end of the log, one of which each opening leaves: a group that has settled everything
   * has no lag. Rejects with StoreError.
   */
  async passFences(): Promise<void> {
    for (const { lane: number, floor } of this.counts()) {
      const lane = this.#partition.lanes[number];
      const left = (lane?.log.nextOffset ?? 0) - floor;
      if (lane === undefined || left <= 0 || left > FENCES_MAX) {
        continue;
      }
      const block = await this.#partition.read(lane, floor, { maxRecords: 1, maxBytes: 1 });
      if (block.count === 0) {
        this.#give({ lane: number, from: floor, recordsMax: 0, bytesMax: 0 }, block);
      }
    }
  }

  /** Settles one delivery whose receipt is genuine. `pending`: durable once the partition's pump has written. */
  settle(request: SettleRequest): SettleOutcome {
    const outcome = this.#dispatcher.settle(request, this.#now());
    return outcome.kind === 'settledBefore' && this.#dead.has(placeKey(request)) ? STALE : outcome;
  }

  /** Something has changed: looks soon what can be delivered. */
  wake(): void {
    if (!this.#scheduled && !this.#stopped) {
      this.#scheduled = true;
      this.#services.turns.soon(() => {
        this.#step();
      });
    }
  }

  /** Ends every stream's part in it. */
  stop(reason: HermesError): void {
    this.#stopped = true;
    this.#cancelTimer();
    for (const member of [...this.#members.values()]) {
      member.leave(reason);
    }
    this.#members.clear();
  }

  takeChanges(): ChangeBatch | undefined {
    this.#taken = this.#dispatcher.takeChanges(this.#now());
    return this.#taken;
  }

  committed(ticket: number): void {
    for (const change of this.#taken?.changes ?? []) {
      if (change.kind === 'deadLetter') {
        this.#bury(placeKey(change.entry));
      }
    }
    this.#taken = undefined;
    this.#dispatcher.committed(ticket);
    for (const member of this.#members.values()) {
      member.subscription.creditFreed(member);
    }
    this.wake();
  }

  counts(): LaneCounts[] {
    return this.#dispatcher.counts(this.#partition.lanes.map(({ log }) => log.nextOffset));
  }

  holders(): ReturnType<GroupDispatcher['holders']> {
    return this.#dispatcher.holders();
  }

  lowestUnsettled(lane: number): number | undefined {
    const log = this.#partition.lanes[lane]?.log;
    return log === undefined ? undefined : this.#dispatcher.lowestUnsettled(lane, log.nextOffset);
  }

  #step(): void {
    this.#scheduled = false;
    if (this.#stopped || this.#loading || !this.#partition.isServing) {
      return;
    }
    if (this.#members.size === 0) {
      this.#idle();
      return;
    }
    const fed = this.#feed();
    if (fed === 'reading') {
      return;
    }
    const orders = this.#dispatcher.dispatch(this.#now());
    if (orders.length > 0) {
      this.#deliver(orders);
    }
    if (fed === 'fed' || orders.length > 0) {
      this.wake();
    } else {
      // Time may have failed deliveries, or a full window parked some: that is to be written.
      void this.#partition.settles.write(this);
    }
    this.#armTimer();
  }

  /** Without a subscriber only time passes: what is in flight and overdue is given back. */
  #idle(): void {
    for (const finder of this.#finders) {
      finder.clear();
    }
    this.#dispatcher.tick(this.#now());
    void this.#partition.settles.write(this);
    this.#armTimer();
  }

  /** Gives the dispatcher what it wants and memory has; starts to read what memory has not. */
  #feed(): 'nothing' | 'fed' | 'reading' {
    let fed: 'nothing' | 'fed' = 'nothing';
    for (const wanted of this.#dispatcher.wanted(this.#now())) {
      const lane = this.#partition.lanes[wanted.lane];
      if (lane === undefined || wanted.from >= lane.log.nextOffset) {
        continue;
      }
      const bounds = boundsOf(wanted);
      const block = this.#partition.cached(lane, wanted.from, bounds);
      if (block === undefined) {
        this.#load(async () => {
          this.#give(wanted, await this.#partition.read(lane, wanted.from, bounds));
        });
        return 'reading';
      }
      this.#give(wanted, block);
      fed = 'fed';
    }
    return fed;
  }

  #give(wanted: Wanted, block: RecordBlock): void {
    const { offsets, ends, keyHashes, start } = block.columns;
    this.#finders[wanted.lane]?.add(block);
    this.#dispatcher.feed(wanted.lane, {
      from: block.from,
      nextOffset: block.nextOffset,
      offsets,
      keyHashes: keyHashes ?? NO_HASHES,
      ends: start === 0 ? ends : ends.map((end) => end - start),
    });
  }

  /** Runs a read; nothing else is fed or dispatched meanwhile, which keeps every stream's order. */
  #load(read: () => Promise<void>): void {
    this.#loading = true;
    this.#services.tasks.run('read for a group', async () => {
      try {
        await read();
        this.#loading = false;
        this.wake();
      } catch (error) {
        this.#loading = false;
        this.#readFailed(error);
      }
    });
  }

  #readFailed(error: unknown): void {
    if (!(error instanceof StoreError)) {
      throw error;
    }
    if (this.#stopped || error.kind === 'closed') {
      return;
    }
    const failure = storeFailure(error);
    this.#services.logger.error(
      { topic: this.#partition.topic.settings.name, partition: this.#partition.number, err: error },
      'records could not be read for a group',
    );
    if (error.kind === 'recordCorrupt' && failure instanceof HermesError) {
      for (const member of [...this.#members.values()]) {
        this.#remove(member);
        member.subscription.end(failure);
      }
      return;
    }
    this.#services.timers.after(READ_RETRY_MS, () => {
      this.wake();
    });
  }

  /** Sends what was given out: at once if its records are in memory, else after they are read. */
  #deliver(orders: readonly DispatchOrder[]): void {
    const found = orders.map(({ dispatches }) => dispatches.map(({ lane, offset }) => this.#find(lane, offset)));
    if (!found.some((records) => records.includes(undefined))) {
      this.#push(orders, found);
      return;
    }
    this.#load(async () => {
      for (const [nth, { dispatches }] of orders.entries()) {
        for (const [index, { lane, offset }] of dispatches.entries()) {
          const records = found[nth];
          if (records !== undefined && records[index] === undefined) {
            records[index] = await this.#readOne(lane, offset);
          }
        }
      }
      this.#push(orders, found);
    });
  }

  async #readOne(lane: number, offset: number): Promise<FoundRecord | undefined> {
    const where = this.#partition.lanes[lane];
    const bounds = { maxRecords: 1, maxBytes: STEP_BYTES };
    return where && foundIn(await this.#partition.read(where, offset, bounds), offset);
  }

  #push(orders: readonly DispatchOrder[], found: readonly (readonly (FoundRecord | undefined)[])[]): void {
    orders.forEach(({ subscriptionId, dispatches }, nth) => {
      const member = this.#members.get(subscriptionId);
      const entries: FrameEntry[] = [];
      dispatches.forEach((dispatch, index) => {
        const record = found[nth]?.[index];
        const { lane, offset, redelivered } = dispatch;
        if (record === undefined) {
          this.#services.logger.error({ lane, offset }, 'a record to be delivered is missing');
          return;
        }
        if (redelivered) {
          // A stored retry is counted with its size once that is known.
          this.#dispatcher.resize(lane, offset, record.block.bytes(record.index));
        }
        entries.push({ dispatch, record });
      });
      member?.push(entries, this.#dispatcher.fencingToken);
      if (member?.isWritable === false) {
        this.#dispatcher.setWritable(subscriptionId, false);
      }
    });
  }

  #find(lane: number, offset: number): FoundRecord | undefined {
    const finder = this.#finders[lane];
    const found = finder?.find(offset);
    if (found !== undefined) {
      return found;
    }
    const where = this.#partition.lanes[lane];
    const block = where && this.#partition.cached(where, offset, { maxRecords: STEP_RECORDS, maxBytes: STEP_BYTES });
    if (block !== undefined) {
      finder?.add(block);
    }
    return finder?.find(offset);
  }

  #remove(member: GroupMember): void {
    if (this.#members.get(member.id) === member) {
      this.#members.delete(member.id);
      this.#dispatcher.unsubscribe(member.id);
      this.wake();
    }
  }

  #bury(key: string): void {
    const oldest = this.#dead.values().next();
    if (this.#dead.size >= DEAD_MAX && oldest.done !== true) {
      this.#dead.delete(oldest.value);
    }
    this.#dead.add(key);
  }

  #armTimer(): void {
    const waitMs = this.#dispatcher.nextTimerMs(this.#now());
    const atMs = waitMs === undefined ? Number.POSITIVE_INFINITY : this.#services.clock.monotonicMs() + waitMs;
    // Deadlines move with every delivery: a timer that comes too early only looks again.
    if (atMs >= this.#timerAtMs || this.#stopped) {
      return;
    }
    this.#cancelTimer();
    this.#timerAtMs = atMs;
    this.#cancelTimer = this.#services.timers.after(waitMs ?? 0, () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.wake();
    });
  }

  #now(): Now {
    return { monotonicMs: this.#services.clock.monotonicMs(), storeMs: this.#partition.timeMs() };
  }
}

const STALE: SettleOutcome = { kind: 'stale' };
const NO_HASHES = new Float64Array(0);

function fenced(epoch: number): HermesError {
  return new HermesError('FENCED', 'a newer subscription of this consumer has taken the partition', {
    details: { epoch: String(epoch) },
  });
}

function placeKey({ lane, offset }: { readonly lane: number; readonly offset: number }): string {
  return `${lane}/${offset}`;
}

function boundsOf({ recordsMax, bytesMax }: Wanted): { maxRecords: number; maxBytes: number } {
  return { maxRecords: Math.min(recordsMax, STEP_RECORDS), maxBytes: Math.min(bytesMax, STEP_BYTES) };
}

function foundIn(block: RecordBlock, offset: number): FoundRecord | undefined {
  const index = block.indexFrom(offset);
  return index < block.count && block.offset(index) === offset ? { block, index } : undefined;
}
