import { invariant } from '@hermes/runtime';

import {
  type DeliveryMode,
  DISPATCHER_LIMITS,
  type DispatchOrder,
  type GroupDispatcherOptions,
  type GroupSettings,
  type Holding,
  type LaneCounts,
  type LaneFeed,
  type Now,
  type SealedChanges,
  type SubscribeOutcome,
  type Wanted,
} from './dispatcher-types.js';
import { ENTRY_STATE, NEVER_DELIVERED } from './entry.js';
import { ExclusiveSequencer } from './exclusive-sequencer.js';
import type { RetryEntry } from './group-state.js';
import { HandOver, holdingOf } from './hand-over.js';
import { Holdership } from './holdership.js';
import type { InFlightShare } from './in-flight-pool.js';
import { Intake } from './intake.js';
import { KeyLocks } from './key-locks.js';
import { KeyedSequencer } from './keyed-sequencer.js';
import { Lane } from './lane.js';
import { Outflow } from './outflow.js';
import { SETTLE, SETTLED_BEFORE, type SettleOutcome, type SettleRequest, STALE } from './settle.js';
import { Settlement } from './settlement.js';
import { storedEntry } from './stored-entry.js';
import { Subscription, type SubscriptionRequest } from './subscription.js';
import { Turns } from './turns.js';
import { Window } from './window.js';

const START: Now = { monotonicMs: 0, storeMs: 0 };

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
  readonly #lanes: readonly Lane[];
  readonly #turns = new Turns();
  readonly #window: Window;
  readonly #holdership: Holdership;
  readonly #settlement: Settlement;
  readonly #intake: Intake;
  readonly #outflow: Outflow;
  readonly #handOver: HandOver;
  readonly #inFlight: InFlightShare;

  constructor(options: GroupDispatcherOptions) {
    const { snapshot, mode, random, settings, redeliveredBelow, inFlight, nextDeliveryNo } = options;
    const limits = { ...DISPATCHER_LIMITS, ...options.limits };
    this.groupId = snapshot.groupId;
    this.mode = mode;
    const locks = snapshot.lanes.length > 1 ? new KeyLocks() : undefined;
    const lanes = snapshot.lanes.map(
      (cursor) => new Lane(cursor, mode === 'exclusive' ? new ExclusiveSequencer() : new KeyedSequencer(mode, locks)),
    );
    const [turns, window] = [this.#turns, new Window(limits.windowRecordsMax, limits.windowBytesMax)];
    const holdership = new Holdership(snapshot.consumerEpoch, snapshot.token);
    this.#lanes = lanes;
    this.#window = window;
    this.#holdership = holdership;
    this.#inFlight = inFlight;
    const settlement = new Settlement({ snapshot, lanes, turns, window, holdership, inFlight, random, settings });
    const { subscriptions = [], now = START } = options.handedOver ?? {};
    const handOver = new HandOver(subscriptions, snapshot.consumerEpoch, now);
    handOver.subscriptions.forEach((subscription) => {
      turns.add(subscription);
    });
    this.#handOver = handOver;
    this.#settlement = settlement;
    this.#intake = new Intake({ lanes, window, limits, redeliveredBelow, settlement, handOver });
    this.#outflow = new Outflow({ lanes, turns, window, settlement, inFlight, nextDeliveryNo });
    this.#load(snapshot.retries);
  }

  /** EXCLUSIVE: the token that deliveries carry; 0 in other modes. */
  get fencingToken(): number {
    return this.mode === 'exclusive' ? this.#holdership.stored.token : 0;
  }

  /** What its bounds hold: stored retries, messages that are known and not delivered, ranges above the floors. */
  get gauges(): Readonly<Record<'retries' | 'windowRecords' | 'windowBytes' | 'settledRanges', number>> {
    const { records, bytes } = this.#window;
    const settledRanges = this.#lanes.reduce((sum, { cursor }) => sum + cursor.rangeCount, 0);
    return { retries: this.#settlement.retryCount, windowRecords: records, windowBytes: bytes, settledRanges };
  }

  /** True if it has progress to write, though nothing was decided: much was passed over, or something was lost. */
  get hasDrifted(): boolean {
    return this.#settlement.hasDrifted;
  }

  /** What it has to know of a lane before all that was handed over is in flight: from what it wants next to here. */
  inheritsUpTo(lane: number): number {
    return this.#handOver.endOf(lane);
  }

  /** What is in flight, to be handed over; nothing of it is settled here any more. */
  holdings(now: Now): Holding[] {
    return [...this.#turns].flatMap((subscription) => holdingOf(subscription, now) ?? []);
  }

  /** Applies new settings to what is decided from now on. */
  configure(settings: GroupSettings): void {
    this.#settlement.settings = settings;
  }

  /** What it would take next of each lane that it has room for. Parks waiting messages when that makes room. */
  wanted(now: Now): Wanted[] {
    return this.#intake.wanted(now);
  }

  /** Takes records in, as far as there is room; gives the offset that it wants next. `feed.from` ≤ that offset. */
  feed(lane: number, feed: LaneFeed): number {
    return this.#intake.feed(this.#lane(lane), feed);
  }

  /**
   * Adds a subscription. In EXCLUSIVE groups it gets nothing until its epoch is committed, and older ones are removed:
   * see `unsubscribe`.
   */
  subscribe(request: SubscriptionRequest, now: Now): SubscribeOutcome {
    if (this.mode !== 'exclusive') {
      this.#turns.add(new Subscription(request, true));
      return { kind: 'accepted', fenced: [] };
    }
    const { highestEpoch } = this.#holdership;
    if (request.consumerEpoch < highestEpoch) {
      return { kind: 'fenced', consumerEpoch: highestEpoch };
    }
    // What the same holder has pulled stays with it, and what it may have come for.
    const isOwn = (one: Subscription): boolean =>
      (one.retired || one.inherits) && one.consumerEpoch === request.consumerEpoch;
    const others = [...this.#turns].filter((one) => !isOwn(one));
    const fenced = others.map(({ id }) => id);
    for (const older of fenced) {
      this.unsubscribe(older, now);
    }
    this.#turns.add(new Subscription(request, this.#holdership.claim(request.consumerEpoch)));
    return { kind: 'accepted', fenced };
  }

  /** Changes the time to settle of what a subscription gets from now on. */
  setAckDeadline(subscriptionId: number, ackDeadlineMs: number): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription !== undefined) {
      subscription.ackDeadlineMs = ackDeadlineMs;
    }
  }

  /** A subscription's consumer is out of reach: it gets nothing and keeps what it holds, until `resume` or removal. */
  hold(subscriptionId: number): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription !== undefined) {
      subscription.onHold = true;
    }
  }

  /**
   * A consumer that was out of reach is back. What it holds stays its own; of that, deliveries from the number
   * `lostFrom` on did not reach it and are given out again: the same attempts with the same numbers, in their order,
   * each with the full time to settle. Until then it gets nothing new.
   */
  resume(subscriptionId: number, lostFrom: number): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription !== undefined) {
      subscription.onHold = false;
      subscription.lostFrom = lostFrom;
    }
  }

  /**
   * The consumer of what an earlier owner handed over is back, with another subscription: what it held is its own again.
   * `lostFrom`: see `resume`. False if there is nothing of it any more.
   */
  inherit(fromId: number, toId: number, lostFrom: number): boolean {
    const to = this.#turns.get(toId);
    const from = to === undefined ? undefined : this.#turns.remove(fromId);
    if (from !== undefined && to !== undefined) {
      this.#settlement.inherit(from, to);
      to.lostFrom = lostFrom;
    }
    return from !== undefined;
  }

  /** Nobody has come for what an earlier owner handed over: it is given back. What was pulled stays until its deadline. */
  disinherit(subscriptionId: number): void {
    const subscription = this.#turns.get(subscriptionId);
    if (subscription?.retired === true) {
      this.#settlement.forgetIfIdle(subscription);
    } else if (subscription !== undefined) {
      this.#turns.remove(subscriptionId);
      this.#settlement.giveBack(subscription);
    }
  }

  /**
   * Removes a subscription; what it holds is given back, as the same attempt. If it is on hold its consumer is lost:
   * each message gets a strike, and the one that it held alone has failed. Harmless if it is not there.
   */
  unsubscribe(subscriptionId: number, now: Now): void {
    // What its credit was kept empty for goes elsewhere.
    this.#outflow.releaseReservation();
    const subscription = this.#turns.remove(subscriptionId);
    if (subscription?.onHold === true && !subscription.inherits) {
      this.#settlement.lose(subscription, now);
    } else if (subscription !== undefined) {
      this.#settlement.giveBack(subscription);
    }
  }

  /** A subscription gets nothing more; what it holds stays in flight until it is settled or its deadline passes. */
  retire(subscriptionId: number): void {
    const subscription = this.#turns.retire(subscriptionId);
    if (subscription !== undefined) {
      subscription.retired = true;
      this.#settlement.forgetIfIdle(subscription);
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
    const orders = this.#turns.isEmpty ? [] : this.#outflow.dispatch(now);
    this.#inFlight.rest();
    return orders;
  }

  /** Corrects the size of a message in flight whose size was not known: a retry that was loaded from storage. */
  resize(lane: number, offset: number, bytes: number): void {
    const entry = this.#lanes[lane]?.entries.get(offset);
    if (entry !== undefined && entry.bytes !== bytes) {
      entry.subscription?.credit.resize(entry.bytes, bytes);
      this.#window.resize(entry, bytes);
      entry.bytes = bytes;
    }
  }

  /** True if nothing of the message is left here: it was acknowledged, or is a dead letter. */
  isOver(lane: number, offset: number): boolean {
    const { cursor, entries } = this.#lane(lane);
    return cursor.has(offset) && !entries.has(offset);
  }

  /** Takes a message in that was a dead letter and is stored as a retry now. It is over: see `isOver`. */
  redrive(retry: RetryEntry): void {
    invariant(this.isOver(retry.lane, retry.offset), `${retry.lane}/${retry.offset} is not over`);
    const entry = storedEntry(retry, this.mode);
    entry.deliveryNo = NEVER_DELIVERED;
    entry.hasRecord = true;
    this.#settlement.load(entry);
    this.#lane(retry.lane).admit(entry);
  }

  /**
   * The log is about to lose what lies below `below`: what is not settled of it is given up, in flight or not, and counted
   * as skipped, durably with the next batch. Retries stay: see `recordsNeeded`. How many were given up.
   */
  skip(lane: number, below: number): number {
    const where = this.#lane(lane);
    const before = where.skipped;
    this.#settlement.skip(where.skip(below));
    return where.skipped - before;
  }

  /** Offsets of stored retries below `below` whose records only the log keeps, the lowest first. */
  recordsNeeded(lane: number, below: number): number[] {
    return this.#lane(lane).withoutRecord(below);
  }

  /** The retries' rows keep their records now. */
  recordsKept(lane: number, offsets: readonly number[]): void {
    for (const offset of offsets) {
      const entry = this.#lane(lane).entries.get(offset);
      if (entry?.stored === true) {
        entry.hasRecord = true;
      }
    }
  }

  /** A message that was given out turns out to be expired, and is not sent: it is over. */
  expire(lane: number, offset: number): void {
    const entry = this.#lane(lane).entries.get(offset);
    if (entry?.state === ENTRY_STATE.inFlight) {
      this.#settlement.expire(entry);
    }
  }

  /** Nothing has the record of a message that was given out any more: it is over, and counts as skipped. */
  lose(lane: number, offset: number): void {
    const where = this.#lane(lane);
    const entry = where.entries.get(offset);
    if (entry?.state === ENTRY_STATE.inFlight) {
      where.lose();
      this.#settlement.skip([entry]);
    }
  }

  /** Settles one delivery, or refuses to. */
  settle(request: SettleRequest, now: Now): SettleOutcome {
    const { highestEpoch } = this.#holdership;
    if (this.mode === 'exclusive' && request.consumerEpoch < highestEpoch) {
      return { kind: 'fenced', consumerEpoch: highestEpoch };
    }
    const lane = this.#lanes[request.lane];
    if (lane === undefined) {
      return STALE;
    }
    const entry = lane.entries.get(request.offset);
    if (entry === undefined) {
      return this.#settleUnknown(lane, request, now);
    }
    const isUndelivered = entry.deliveryNo === 0 && entry.state !== ENTRY_STATE.settling;
    return isUndelivered && lane.isBarred(entry.offset) ? STALE : this.#settlement.settle(entry, request, now);
  }

  /** Lets time pass: deadlines, retries and returned messages that are due. */
  tick(now: Now): void {
    this.#settlement.tick(now);
  }

  /** Time until `tick` has something to do; undefined if only events bring something. */
  nextTimerMs(now: Now): number | undefined {
    const waitMs = this.#settlement.nextTimerMs(now);
    return waitMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, waitMs);
  }

  /** All that was decided since the last call, for one transaction; undefined if nothing was, or one is under way. */
  takeChanges(now: Now): SealedChanges | undefined {
    return this.#settlement.seal(now);
  }

  /** The batch that was taken is durable: what it says takes effect. */
  committed(ticket: number): void {
    this.#settlement.committed(ticket);
    const holder = this.#holdership.committed();
    if (holder !== undefined) {
      for (const subscription of this.#turns) {
        subscription.admitted = subscription.consumerEpoch === holder.consumerEpoch;
      }
    }
  }

  /**
   * Ends every subscription and delivers nothing more: the credit and the room of all that is in flight or settling are
   * free at once. What was decided can still be taken and committed.
   */
  close(): void {
    this.#outflow.releaseReservation();
    this.#settlement.close();
    this.#turns.clear();
  }

  /** Progress per lane; `nextOffsets` are the ends of the lanes' logs. */
  counts(nextOffsets: readonly number[]): LaneCounts[] {
    return this.#lanes.map((lane) => lane.counts(nextOffsets[lane.number] ?? 0));
  }

  /** Lowest unsettled offset of a lane, stored retries included; undefined if all below `nextOffset` is settled. */
  lowestUnsettled(lane: number, nextOffset: number): number | undefined {
    return this.#lane(lane).lowestUnsettled(nextOffset);
  }

  /** Below this offset of a lane nothing is needed of the log any more; undefined: of all below `nextOffset`. */
  lowestNeeded(lane: number, nextOffset: number): number | undefined {
    return this.#lane(lane).lowestNeeded(nextOffset);
  }

  /** The subscriptions and what each holds. */
  holders(): { readonly subscriptionId: number; readonly consumer: string; readonly inFlight: number }[] {
    return Array.from(this.#turns, ({ id, consumer, held }) => ({ subscriptionId: id, consumer, inFlight: held }));
  }

  #load(retries: readonly RetryEntry[]): void {
    const entries = retries.map((retry) => storedEntry(retry, this.mode));
    for (const entry of entries) {
      this.#intake.inherit(entry);
      this.#settlement.load(entry);
    }
    for (const lane of this.#lanes) {
      lane.load(entries.filter((entry) => entry.lane === lane.number));
    }
  }

  #lane(number: number): Lane {
    const lane = this.#lanes[number];
    invariant(lane !== undefined, `group ${this.groupId} has no lane ${number}`);
    return lane;
  }

  /** A receipt of what is settled, or of what an earlier owner delivered and this one was not fed yet. */
  #settleUnknown(lane: Lane, request: SettleRequest, now: Now): SettleOutcome {
    if (lane.cursor.has(request.offset)) {
      return request.kind === SETTLE.ack ? SETTLED_BEFORE : STALE;
    }
    const entry = this.#intake.adopt(lane, request);
    return entry === undefined ? STALE : this.#settlement.settle(entry, request, now);
  }
}
