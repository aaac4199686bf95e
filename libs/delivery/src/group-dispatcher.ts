import { invariant, type Random } from '@hermes/runtime';

import { Alarms } from './alarms.js';
import { ChangeBatch } from './change-batch.js';
import { Deadlines } from './deadlines.js';
import { Entry, ENTRY_STATE, FATE, type Fate } from './entry.js';
import { ExclusiveSequencer } from './exclusive-sequencer.js';
import {
  type DeliveryMode,
  type Dispatch,
  DISPATCHER_LIMITS,
  type DispatcherLimits,
  type DispatchOrder,
  type GroupDispatcherOptions,
  type GroupSettings,
  type LaneCounts,
  type LaneFeed,
  type Now,
  type SealedChanges,
  type SubscribeOutcome,
  type Wanted,
} from './dispatcher-types.js';
import type { GroupSnapshot, RetryEntry } from './group-state.js';
import { KeyedSequencer } from './keyed-sequencer.js';
import { countLane, type Lane, lowestUnsettled } from './lane.js';
import { LanePicker } from './lane-picker.js';
import { OffsetRanges } from './offset-ranges.js';
import { retryDelayMs } from './retry-policy.js';
import {
  DONE,
  judge,
  type Judgement,
  SETTLE,
  SETTLED_BEFORE,
  type SettleOutcome,
  type SettleRequest,
  STALE,
} from './settle.js';
import { Subscription, type SubscriptionRequest } from './subscription.js';
import { Turns } from './turns.js';
import { Window } from './window.js';

/** Messages that one call of `dispatch` gives at most, so that a turn of the event loop stays short. */
export const DISPATCH_MAX = 1_000;
/** What is given back untried comes again no earlier: no hot loop. */
export const RETURN_DELAY_MS = 100;
/** What waits behind a key is parked in storage in steps of so many. */
const PARK_MAX = 1_000;
const EXPIRED_REASON = 'ack deadline passed';

/**
 * Decides for one group in one owned partition what is delivered next, to whom, and what is settled. Pure: records,
 * subscriptions, settles and time come in by calls; deliveries and changes to be stored go out.
 *
 * A settle is decided at once and takes effect when the batch that carries it is committed: only then is it answered,
 * its credit free, the next message of its key deliverable, its retry or dead letter real.
 */
export class GroupDispatcher {
  readonly groupId: number;
  readonly mode: DeliveryMode;
  #settings: GroupSettings;
  readonly #generation: number;
  readonly #limits: DispatcherLimits;
  readonly #random: Random;
  readonly #nextDeliveryNo: () => number;
  readonly #redeliveredBelow: readonly number[];

  readonly #lanes: readonly Lane[];
  readonly #cursors: ReadonlyMap<number, OffsetRanges>;
  readonly #picker: LanePicker;
  readonly #turns = new Turns();

  readonly #deadlines = new Deadlines();
  /** Failed messages by due time, on the store's clock. */
  readonly #retries = new Alarms();
  /** Returned messages by due time, monotonic. */
  readonly #returned = new Alarms();
  #storedRetries = 0;
  readonly #window: Window;

  #batch = new ChangeBatch(1);
  #sealed: ChangeBatch | undefined;
  #consumerEpoch: number;
  #token: number;
  /** EXCLUSIVE: true once this owner has raised the token. */
  #tokenIsOurs = false;

  constructor(options: GroupDispatcherOptions) {
    const { snapshot } = options;
    this.groupId = snapshot.groupId;
    this.mode = options.mode;
    this.#settings = options.settings;
    this.#generation = snapshot.generation;
    this.#consumerEpoch = snapshot.consumerEpoch;
    this.#token = snapshot.token;
    this.#limits = { ...DISPATCHER_LIMITS, ...options.limits };
    this.#window = new Window(this.#limits.windowRecordsMax, this.#limits.windowBytesMax);
    this.#random = options.random;
    this.#nextDeliveryNo = options.nextDeliveryNo;
    this.#redeliveredBelow = options.redeliveredBelow;
    this.#lanes = snapshot.lanes.map(({ lane, floor, settled }) => ({
      number: lane,
      cursor: new OffsetRanges(floor, settled),
      sequencer: this.mode === 'exclusive' ? new ExclusiveSequencer() : new KeyedSequencer(this.mode === 'keyOrdered'),
      entries: new Map<number, Entry>(),
      fed: floor,
      ahead: [],
    }));
    this.#cursors = new Map(this.#lanes.map((lane) => [lane.number, lane.cursor]));
    this.#picker = new LanePicker(this.#lanes.length);
    this.#load(snapshot);
  }

  /** EXCLUSIVE: the token that deliveries carry; 0 in other modes. */
  get fencingToken(): number {
    return this.mode === 'exclusive' ? this.#token : 0;
  }

  /** Stored retries, and the messages that are known and not delivered: the gauges of the dispatcher's bounds. */
  get gauges(): { readonly retries: number; readonly windowRecords: number; readonly windowBytes: number } {
    return { retries: this.#storedRetries, windowRecords: this.#window.records, windowBytes: this.#window.bytes };
  }

  /** Applies new settings to what is decided from now on. */
  configure(settings: GroupSettings): void {
    this.#settings = settings;
  }

  /** What it would take next of each lane that it has room for. Parks waiting messages when that makes room. */
  wanted(now: Now): Wanted[] {
    this.#parkIfStuck(now);
    if (!this.#window.hasRoom) {
      return [];
    }
    return this.#lanes
      .filter((lane) => this.#mayGrow(lane))
      .map((lane) => ({ lane: lane.number, from: lane.fed, ...this.#window.room }));
  }

  /** Takes records in, as far as there is room; gives the offset that it wants next. `feed.from` ≤ that offset. */
  feed(laneNumber: number, feed: LaneFeed): number {
    const lane = this.#lane(laneNumber);
    invariant(feed.from <= lane.fed, `lane ${laneNumber} was fed from ${feed.from}, but ${lane.fed} was wanted`);
    let index = firstAtLeast(feed.offsets, lane.fed);
    for (; index < feed.offsets.length && this.#window.hasRoom; index += 1) {
      const offset = feed.offsets[index] as number;
      this.#reach(lane, offset);
      this.#takeIn(lane, feed, index);
      lane.fed = offset + 1;
      this.#reach(lane, lane.fed);
    }
    if (index === feed.offsets.length && feed.nextOffset > lane.fed) {
      this.#reach(lane, feed.nextOffset);
    }
    return lane.fed;
  }

  /** Adds a subscription. In EXCLUSIVE groups it gets nothing until its epoch is committed. */
  subscribe(request: SubscriptionRequest): SubscribeOutcome {
    const fenced: number[] = [];
    let admitted = true;
    if (this.mode === 'exclusive') {
      const highest = this.#highestEpoch();
      if (request.consumerEpoch < highest) {
        return { kind: 'fenced', consumerEpoch: highest };
      }
      admitted = this.#admit(request.consumerEpoch, fenced);
    }
    const subscription = new Subscription(request, admitted);
    this.#turns.add(subscription);
    return { kind: 'accepted', fenced };
  }

  /** Changes the time to settle of what a subscription gets from now on. */
  setAckDeadline(subscriptionId: number, ackDeadlineMs: number): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription !== undefined) {
      subscription.ackDeadlineMs = ackDeadlineMs;
    }
  }

  /** Removes a subscription; what it holds is given back, as the same attempt. Harmless if it is not there. */
  unsubscribe(subscriptionId: number): void {
    const subscription = this.#turns.remove(subscriptionId);
    if (subscription === undefined) {
      return;
    }
    for (const entry of [...subscription.inFlight, ...subscription.extended]) {
      if (entry.state === ENTRY_STATE.inFlight) {
        this.#giveBack(entry);
      }
    }
  }

  /** Tells that a subscription's socket takes frames, or does not. */
  setWritable(subscriptionId: number, writable: boolean): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription !== undefined) {
      subscription.writable = writable;
    }
  }

  /** Gives out what may be delivered now, at most DISPATCH_MAX messages; call again while it gives some. */
  dispatch(now: Now): DispatchOrder[] {
    this.tick(now);
    if (this.#settings.paused || this.#turns.isEmpty) {
      return [];
    }
    const orders = new Map<Subscription, Dispatch[]>();
    for (let count = 0; count < DISPATCH_MAX; count += 1) {
      const entry = this.#nextEntry();
      const subscription = entry === undefined ? undefined : this.#turns.next(entry.bytes);
      if (entry === undefined || subscription === undefined) {
        break;
      }
      this.#picker.spend(entry.lane);
      const dispatch = this.#deliver(entry, subscription, now);
      const dispatches = orders.get(subscription);
      if (dispatches === undefined) {
        orders.set(subscription, [dispatch]);
      } else {
        dispatches.push(dispatch);
      }
    }
    return Array.from(orders, ([{ id }, dispatches]) => ({ subscriptionId: id, dispatches }));
  }

  /** Corrects the size of a message in flight whose size was not known: a retry that was loaded from storage. */
  resize(lane: number, offset: number, bytes: number): void {
    const entry = this.#lanes[lane]?.entries.get(offset);
    if (entry !== undefined && entry.bytes !== bytes) {
      if (entry.state === ENTRY_STATE.inFlight || entry.state === ENTRY_STATE.settling) {
        entry.subscription?.credit.resize(entry.bytes, bytes);
      }
      this.#window.resize(entry, bytes);
      entry.bytes = bytes;
    }
  }

  /** Settles one delivery, or refuses to. */
  settle(request: SettleRequest, now: Now): SettleOutcome {
    const lane = this.#lanes[request.lane];
    if (lane === undefined) {
      return STALE;
    }
    if (this.mode === 'exclusive' && request.consumerEpoch < this.#highestEpoch()) {
      return { kind: 'fenced', consumerEpoch: this.#highestEpoch() };
    }
    const entry = lane.entries.get(request.offset) ?? this.#adopt(lane, request);
    if (entry === undefined) {
      return lane.cursor.has(request.offset) ? settleOfSettled(request) : STALE;
    }
    switch (judgeIn(lane, entry, request)) {
      case 'current':
        return this.#apply(entry, request, now);
      case 'repeated':
        return entry.state === ENTRY_STATE.settling ? { kind: 'pending', ticket: entry.ticket } : DONE;
      case 'stale':
        return STALE;
    }
  }

  /** Lets time pass: deadlines, retries and returned messages that are due. */
  tick(now: Now): void {
    for (;;) {
      const expired = this.#deadlines.nextExpired(this.#turns, now.monotonicMs);
      if (expired === undefined) {
        break;
      }
      this.#fail(expired, { reason: EXPIRED_REASON }, now);
    }
    this.#wake(this.#retries, now.storeMs);
    this.#wake(this.#returned, now.monotonicMs);
  }

  /** Time until `tick` has something to do; undefined if only events bring something. */
  nextTimerMs(now: Now): number | undefined {
    const waits = [
      this.#deadlines.earliestMs(this.#turns) - now.monotonicMs,
      this.#returned.earliestMs() - now.monotonicMs,
      this.#retries.earliestMs() - now.storeMs,
    ];
    const wait = Math.min(...waits);
    return wait === Number.POSITIVE_INFINITY ? undefined : Math.max(0, wait);
  }

  /** All that was decided since the last call, for one transaction; undefined if nothing was, or one is under way. */
  takeChanges(now: Now): SealedChanges | undefined {
    if (this.#sealed !== undefined || this.#batch.isEmpty) {
      return undefined;
    }
    const batch = this.#batch;
    this.#sealed = batch;
    this.#batch = new ChangeBatch(batch.ticket + 1);
    const changes = batch.seal({
      groupId: this.groupId,
      generation: this.#generation,
      storeMs: now.storeMs,
      cursors: this.#cursors,
    });
    return { ticket: batch.ticket, changes };
  }

  /** The batch that was taken is durable: what it says takes effect. */
  committed(ticket: number): void {
    const batch = this.#sealed;
    invariant(batch?.ticket === ticket, `batch ${ticket} of group ${this.groupId} is not under way`);
    this.#sealed = undefined;
    if (batch.holder !== undefined) {
      this.#consumerEpoch = batch.holder.consumerEpoch;
      this.#token = batch.holder.token;
      this.#tokenIsOurs = true;
      for (const subscription of this.#turns) {
        subscription.admitted = subscription.consumerEpoch === this.#consumerEpoch;
      }
    }
    for (const entry of batch.entries) {
      this.#takeEffect(entry);
    }
  }

  /** Progress per lane; `nextOffsets` are the ends of the lanes' logs. */
  counts(nextOffsets: readonly number[]): LaneCounts[] {
    return this.#lanes.map((lane) => countLane(lane, nextOffsets[lane.number] ?? 0));
  }

  /** Lowest unsettled offset of a lane, stored retries included; undefined if all below `nextOffset` is settled. */
  lowestUnsettled(laneNumber: number, nextOffset: number): number | undefined {
    return lowestUnsettled(this.#lane(laneNumber), nextOffset);
  }

  /** The subscriptions and what each holds. */
  holders(): { readonly subscriptionId: number; readonly consumer: string; readonly inFlight: number }[] {
    return Array.from(this.#turns, ({ id, consumer, held }) => ({ subscriptionId: id, consumer, inFlight: held }));
  }

  #load(snapshot: GroupSnapshot): void {
    for (const retry of [...snapshot.retries].sort((a, b) => b.offset - a.offset)) {
      const lane = this.#lane(retry.lane);
      const entry = storedEntry(retry);
      lane.entries.set(entry.offset, entry);
      lane.ahead.push(entry);
      this.#retries.set(entry, retry.dueAtMs);
      this.#storedRetries += 1;
    }
    for (const lane of this.#lanes) {
      this.#reach(lane, lane.fed);
    }
  }

  /** The log is known below `offset`: gaps there are settled, and stored retries take their place in the order. */
  #reach(lane: Lane, offset: number): void {
    lane.cursor.addRange(lane.fed, offset);
    lane.fed = offset;
    for (let next = lane.ahead.at(-1); next !== undefined && next.offset < offset; next = lane.ahead.at(-1)) {
      lane.ahead.pop();
      if (next.state !== ENTRY_STATE.gone) {
        lane.sequencer.add(next);
      }
    }
  }

  /**
   * True if more of the lane may be taken in. What an earlier owner knew already, below its last range or a stored
   * retry, always may: it adds no range and no retry, and the messages that hold others up are among it.
   */
  #mayGrow(lane: Lane): boolean {
    const isKnown = lane.fed < lane.cursor.end || lane.ahead.length > 0;
    const isFull = lane.cursor.rangeCount > this.#limits.rangesMax || this.#storedRetries >= this.#limits.retriesMax;
    return isKnown || !isFull;
  }

  #lane(number: number): Lane {
    const lane = this.#lanes[number];
    invariant(lane !== undefined, `group ${this.groupId} has no lane ${number}`);
    return lane;
  }

  #takeIn(lane: Lane, feed: LaneFeed, index: number): void {
    const offset = feed.offsets[index] as number;
    if (lane.cursor.has(offset) || lane.entries.has(offset)) {
      return;
    }
    const bytes = (feed.ends[index] as number) - (index === 0 ? 0 : (feed.ends[index - 1] as number));
    const entry = new Entry({
      lane: lane.number,
      offset,
      keyHash: feed.keyHashes[index] ?? 0,
      bytes,
      attempts: 0,
      strikes: 0,
      reason: '',
      stored: false,
      redelivered: offset < (this.#redeliveredBelow[lane.number] ?? 0),
    });
    lane.entries.set(offset, entry);
    lane.sequencer.add(entry);
    this.#window.enter(entry);
  }

  /** Parks what waits behind keys when it fills the window or splits the cursor into too many ranges. */
  #parkIfStuck(now: Now): void {
    const split = this.#lanes.some((lane) => lane.cursor.rangeCount > this.#limits.rangesMax);
    const stuck = !this.#window.hasRoom && this.#lanes.every((lane) => lane.sequencer.peek() === undefined);
    if (!(split || stuck) || this.#storedRetries + PARK_MAX > this.#limits.retriesMax) {
      return;
    }
    for (const lane of this.#lanes) {
      for (const entry of lane.sequencer.blocked(PARK_MAX)) {
        entry.dueAtMs = now.storeMs;
        this.#decide(entry, FATE.parked);
      }
    }
  }

  #highestEpoch(): number {
    return Math.max(
      this.#consumerEpoch,
      this.#sealed?.holder?.consumerEpoch ?? 0,
      this.#batch.holder?.consumerEpoch ?? 0,
    );
  }

  /** EXCLUSIVE: true if this epoch holds the partition already; otherwise its epoch and a new token are to be stored. */
  #admit(consumerEpoch: number, fenced: number[]): boolean {
    for (const older of this.#turns) {
      fenced.push(older.id);
      this.unsubscribe(older.id);
    }
    const pending = this.#batch.holder ?? this.#sealed?.holder;
    if (pending?.consumerEpoch === consumerEpoch) {
      return false;
    }
    if (pending === undefined && this.#tokenIsOurs && this.#consumerEpoch === consumerEpoch) {
      return true;
    }
    this.#batch.holder = { consumerEpoch, token: Math.max(this.#token, pending?.token ?? 0) + 1 };
    return false;
  }

  #nextEntry(): Entry | undefined {
    const lane = this.#picker.pick((number) => this.#lanes[number]?.sequencer.peek() !== undefined);
    return lane === undefined ? undefined : this.#lanes[lane]?.sequencer.peek();
  }

  #deliver(entry: Entry, subscription: Subscription, now: Now): Dispatch {
    this.#lane(entry.lane).sequencer.take(entry);
    this.#window.leave(entry);
    const { redelivered } = entry;
    entry.state = ENTRY_STATE.inFlight;
    entry.redelivered = true;
    entry.fate = undefined;
    entry.deliveryNo = this.#nextDeliveryNo();
    entry.subscription = subscription;
    subscription.credit.take(entry.bytes);
    this.#deadlines.start(entry, subscription, now.monotonicMs + subscription.ackDeadlineMs);
    const { lane, offset, attempts, deliveryNo } = entry;
    return { lane, offset, attempt: attempts + 1, deliveryNo, redelivered };
  }

  /** An acknowledgement of a delivery that an earlier owner made, of a message that was not fed yet. */
  #adopt(lane: Lane, request: SettleRequest): Entry | undefined {
    const mayBe = request.kind === SETTLE.ack && request.attempt === 1 && request.offset >= lane.fed;
    if (!mayBe || lane.cursor.has(request.offset) || request.offset >= (this.#redeliveredBelow[lane.number] ?? 0)) {
      return undefined;
    }
    const { offset } = request;
    const unknown = { keyHash: 0, bytes: 0, attempts: 0, strikes: 0, reason: '', stored: false, redelivered: true };
    const entry = new Entry({ lane: lane.number, offset, ...unknown });
    lane.entries.set(offset, entry);
    return entry;
  }

  #apply(entry: Entry, request: SettleRequest, now: Now): SettleOutcome {
    switch (request.kind) {
      case SETTLE.ack:
        return this.#decide(entry, FATE.done);
      case SETTLE.nack:
        return this.#fail(entry, request, now);
      case SETTLE.return:
        this.#return(entry, now);
        return DONE;
      case SETTLE.extend:
        return this.#extend(entry, request, now);
    }
  }

  #extend(entry: Entry, request: SettleRequest, now: Now): SettleOutcome {
    if (entry.state !== ENTRY_STATE.inFlight) {
      return STALE;
    }
    const extensionMs = request.deadlineMs ?? entry.subscription?.ackDeadlineMs ?? 0;
    this.#deadlines.extend(entry, now.monotonicMs + extensionMs);
    return DONE;
  }

  /** A failed attempt: another one later, or a dead letter. */
  #fail(entry: Entry, failure: { delayMs?: number | undefined; reason?: string | undefined }, now: Now): SettleOutcome {
    const { retry } = this.#settings;
    entry.attempts += 1;
    entry.reason = failure.reason ?? '';
    this.#stepBack(entry, true);
    if (entry.attempts >= retry.maxAttempts) {
      return this.#decide(entry, FATE.dead);
    }
    entry.dueAtMs = now.storeMs + (failure.delayMs ?? retryDelayMs(retry, entry.attempts, this.#random));
    return this.#decide(entry, FATE.retry);
  }

  /** Notes what becomes of an entry; it takes effect with the batch's commit. */
  #decide(entry: Entry, fate: Fate): SettleOutcome {
    this.#forgetHolder(entry);
    entry.state = ENTRY_STATE.settling;
    entry.fate = fate;
    entry.ticket = this.#batch.ticket;
    this.#batch.entries.push(entry);
    return { kind: 'pending', ticket: entry.ticket };
  }

  #takeEffect(entry: Entry): void {
    this.#freeCredit(entry);
    this.#window.leave(entry);
    const lane = this.#lane(entry.lane);
    if (entry.fate === FATE.done || entry.fate === FATE.dead) {
      this.#storedRetries -= entry.stored ? 1 : 0;
      entry.state = ENTRY_STATE.gone;
      lane.entries.delete(entry.offset);
      lane.sequencer.settled(entry);
      return;
    }
    this.#storedRetries += entry.stored ? 0 : 1;
    entry.stored = true;
    this.#retries.set(entry, entry.dueAtMs);
  }

  #return(entry: Entry, now: Now): void {
    this.#forgetHolder(entry);
    this.#freeCredit(entry);
    this.#stepBack(entry, false);
    this.#returned.set(entry, now.monotonicMs + RETURN_DELAY_MS);
    this.#window.enter(entry);
  }

  #giveBack(entry: Entry): void {
    this.#forgetHolder(entry);
    this.#freeCredit(entry);
    this.#stepBack(entry, false);
    this.#comeBack(entry);
  }

  /** EXCLUSIVE: what is in flight behind an entry that was not acknowledged comes again after it. */
  #stepBack(entry: Entry, barrier: boolean): void {
    for (const voided of this.#lane(entry.lane).sequencer.fail(entry, barrier)) {
      this.#forgetHolder(voided);
      this.#freeCredit(voided);
      voided.state = ENTRY_STATE.ready;
      this.#window.enter(voided);
    }
  }

  #comeBack(entry: Entry): void {
    const lane = this.#lane(entry.lane);
    entry.state = ENTRY_STATE.ready;
    this.#window.enter(entry);
    if (!isAhead(lane, entry)) {
      lane.sequencer.comeBack(entry);
    }
  }

  #wake(alarms: Alarms, nowMs: number): void {
    for (let due = alarms.nextDue(nowMs); due !== undefined; due = alarms.nextDue(nowMs)) {
      this.#comeBack(due);
    }
  }

  #forgetHolder(entry: Entry): void {
    entry.subscription?.inFlight.delete(entry);
    entry.subscription?.extended.delete(entry);
  }

  #freeCredit(entry: Entry): void {
    entry.subscription?.credit.giveBack(entry.bytes);
    entry.subscription = undefined;
  }
}

/** True if the order of its lane has not reached this stored retry. */
const isAhead = (lane: Lane, entry: Entry): boolean => entry.stored && entry.offset >= lane.fed;

/** A retry as storage knows it: its last delivery was an earlier owner's, and its size is not known. */
function storedEntry(retry: RetryEntry): Entry {
  const hasFailed = retry.attempts > 0;
  const entry = new Entry({ ...retry, bytes: 0, stored: true, redelivered: hasFailed });
  entry.fate = hasFailed ? FATE.retry : undefined;
  entry.barrier = hasFailed;
  return entry;
}

/** What an earlier owner delivered is void if a failed message before it lets nothing pass. */
const judgeIn = (lane: Lane, entry: Entry, request: SettleRequest): Judgement =>
  entry.deliveryNo === 0 && lane.sequencer.isBarred(entry.offset) ? 'stale' : judge(entry, request);

function settleOfSettled(request: SettleRequest): SettleOutcome {
  return request.kind === SETTLE.ack ? SETTLED_BEFORE : STALE;
}

/** Index of the first offset at or above `offset`. */
function firstAtLeast(offsets: ArrayLike<number>, offset: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] as number) < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
