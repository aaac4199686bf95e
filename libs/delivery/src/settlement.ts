import { invariant, type Random } from '@hermes/runtime';

import { Alarms } from './alarms.js';
import { ChangeBatch } from './change-batch.js';
import { Deadlines } from './deadlines.js';
import { type Entry, ENTRY_STATE, FATE, type Fate } from './entry.js';
import type { GroupSettings, Now, SealedChanges } from './dispatcher-types.js';
import { DEAD_LETTER_CAUSE, type GroupSnapshot } from './group-state.js';
import type { Inherited } from './hand-over.js';
import type { Holdership } from './holdership.js';
import type { InFlightShare } from './in-flight-pool.js';
import type { Lane } from './lane.js';
import { retryDelayMs } from './retry-policy.js';
import { DONE, judge, SETTLE, type SettleOutcome, type SettleRequest, STALE } from './settle.js';
import type { Subscription } from './subscription.js';
import type { Turns } from './turns.js';
import type { Window } from './window.js';

/** What is given back untried comes again no earlier: no hot loop. */
export const RETURN_DELAY_MS = 100;
const LOST_REASON = 'its consumer was lost with it alone';
const EXPIRED_REASON = 'ack deadline passed';
const TTL_REASON = 'ttl passed';

/**
 * What becomes of delivered messages: settled by their consumers, expired, given back, parked. A decision is noted in
 * the batch that gathers, and takes effect when that batch is committed.
 */
export class Settlement {
  readonly #group: { readonly groupId: number; readonly generation: number };
  readonly #lanes: readonly Lane[];
  readonly #turns: Turns;
  readonly #window: Window;
  readonly #holdership: Holdership;
  readonly #inFlight: InFlightShare;
  readonly #random: Random;
  readonly #deadlines = new Deadlines();
  /** Stored retries by due time, on the store's clock. */
  readonly #retries = new Alarms();
  /** Returned messages by due time, monotonic. */
  readonly #returned = new Alarms();
  /** Retries that are stored, or about to be. */
  #retryCount = 0;
  /** Messages whose parking is not committed. */
  #parking = 0;
  #batch = new ChangeBatch(1);
  #sealed: ChangeBatch | undefined;
  settings: GroupSettings;

  constructor(of: {
    readonly snapshot: Pick<GroupSnapshot, 'groupId' | 'generation'>;
    readonly lanes: readonly Lane[];
    readonly turns: Turns;
    readonly window: Window;
    readonly holdership: Holdership;
    readonly inFlight: InFlightShare;
    readonly random: Random;
    readonly settings: GroupSettings;
  }) {
    this.#group = { groupId: of.snapshot.groupId, generation: of.snapshot.generation };
    this.#lanes = of.lanes;
    this.#turns = of.turns;
    this.#window = of.window;
    this.#holdership = of.holdership;
    this.#inFlight = of.inFlight;
    this.#random = of.random;
    this.settings = of.settings;
  }

  /** Retries that are stored, or about to be. */
  get retryCount(): number {
    return this.#retryCount;
  }

  get isParking(): boolean {
    return this.#parking > 0;
  }

  /** True if there is progress to write that nobody decided: `seal` gives something. */
  get hasDrifted(): boolean {
    return this.#lanes.some((lane) => lane.hasDrifted);
  }

  /** Lets a stored retry wait for its time, unless it is in flight again. */
  load(entry: Entry): void {
    this.#retryCount += 1;
    if (entry.state !== ENTRY_STATE.inFlight) {
      this.#retries.set(entry, entry.dueAtMs);
    }
  }

  /** A delivery begins: its time to be settled runs. */
  begin(entry: Entry, subscription: Subscription, now: Now): void {
    this.#deadlines.start(entry, subscription, now.monotonicMs + subscription.ackDeadlineMs);
  }

  /** A delivery begins again, for it was lost on its way: so does its time to be settled. */
  renew(entry: Entry, subscription: Subscription, now: Now): void {
    this.#deadlines.extend(entry, now.monotonicMs + subscription.ackDeadlineMs);
  }

  /** A message is in flight, since an earlier owner delivered it. False if there is no room: it is delivered again. */
  takeOver(entry: Entry, { subscription, deliveryNo, deadlineMs }: Inherited): boolean {
    if (!this.#inFlight.take()) {
      return false;
    }
    entry.state = ENTRY_STATE.inFlight;
    entry.redelivered = true;
    entry.deliveryNo = deliveryNo;
    entry.subscription = subscription;
    subscription.credit.take(entry.bytes);
    this.#deadlines.start(entry, subscription, deadlineMs);
    return true;
  }

  /** What one subscription holds is another's from now on. */
  inherit(from: Subscription, to: Subscription): void {
    for (const entry of from.holding) {
      entry.heldIn?.remove(entry);
      from.credit.giveBack(entry.bytes);
      to.credit.take(entry.bytes);
      entry.subscription = to;
      this.#deadlines.start(entry, to, entry.deadlineMs);
    }
  }

  /** Judges a receipt, and does what it says if it is the current one. */
  settle(entry: Entry, request: SettleRequest, now: Now): SettleOutcome {
    switch (judge(entry, request)) {
      case 'current':
        return this.#settle(entry, request, now);
      case 'repeated':
        return entry.state === ENTRY_STATE.settling ? { kind: 'pending', ticket: entry.ticket } : DONE;
      case 'stale':
        return STALE;
    }
  }

  /** It is not to be delivered any more, which is nobody's failure: it is over, and nothing behind it comes again. */
  expire(entry: Entry): void {
    entry.reason = TTL_REASON;
    entry.cause = DEAD_LETTER_CAUSE.expired;
    this.#decide(entry, this.settings.deadLetterExpired ? FATE.dead : FATE.done);
  }

  /** The log is about to lose them: they are over, with whoever has them. */
  skip(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#decide(entry, FATE.done);
    }
  }

  /** A consumer has gone: what it held is ready again, as the same attempt. */
  giveBack({ inFlight, extended }: Subscription): void {
    for (const entry of [...inFlight, ...extended]) {
      // Giving one back may have voided another.
      if (entry.state === ENTRY_STATE.inFlight) {
        this.#release(entry);
        this.#stepBack(entry, false);
        this.#comeBack(entry);
      }
    }
    if (this.#turns.isEmpty) {
      this.#inFlight.leave();
    }
    this.#inFlight.passOn();
  }

  /**
   * A consumer was lost, which one of its messages may be to blame for: each is given back with a strike, stored. The
   * one that was delivered alone has failed. (Amazon SQS and RabbitMQ count each redelivery as an attempt, so that a
   * poison message takes its neighbours with it.)
   */
  lose(subscription: Subscription, now: Now): void {
    const held = subscription.holding;
    for (const entry of held) {
      this.#release(entry);
    }
    for (const entry of held) {
      if (entry.isSuspect) {
        this.#fail(entry, { reason: LOST_REASON }, now);
      } else {
        this.#strike(entry, now);
      }
    }
    this.giveBack(subscription);
  }

  /** A message that waits behind its key waits in storage instead, where it needs no room. */
  park(entry: Entry, now: Now): void {
    entry.dueAtMs = now.storeMs;
    this.#parking += 1;
    this.#decide(entry, FATE.parked);
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
    this.#inFlight.passOn();
  }

  /** Time until `tick` has something to do; infinity if only events bring something. */
  nextTimerMs(now: Now): number {
    return Math.min(
      this.#deadlines.earliestMs(this.#turns) - now.monotonicMs,
      this.#returned.earliestMs() - now.monotonicMs,
      this.#retries.earliestMs() - now.storeMs,
    );
  }

  /** Closes the batch that gathers and begins the next one; undefined if it is empty, or another is under way. */
  seal(now: Now): SealedChanges | undefined {
    const batch = this.#batch;
    if (this.#sealed !== undefined || (batch.isEmpty && !this.#holdership.hasClaim && !this.hasDrifted)) {
      return undefined;
    }
    this.#sealed = batch;
    this.#batch = new ChangeBatch(batch.ticket + 1);
    const holder = this.#holdership.seal();
    const changes = batch.seal({ ...this.#group, storeMs: now.storeMs, lanes: this.#lanes, holder });
    return { ticket: batch.ticket, changes, failed: batch.failed };
  }

  /** The sealed batch is durable: what it says takes effect. */
  committed(ticket: number): void {
    const batch = this.#sealed;
    invariant(batch?.ticket === ticket, `batch ${ticket} of group ${this.#group.groupId} is not under way`);
    this.#sealed = undefined;
    for (const entry of batch.entries) {
      this.#takeEffect(entry);
    }
    this.#inFlight.passOn();
  }

  /** Frees whatever is held, by subscriptions and by decisions that are not durable yet; nothing is ready again. */
  close(): void {
    for (const { inFlight, extended } of this.#turns) {
      for (const entry of [...inFlight, ...extended]) {
        this.#release(entry);
      }
    }
    for (const entry of [...(this.#sealed?.entries ?? []), ...this.#batch.entries]) {
      this.#release(entry);
    }
    this.#inFlight.leave();
    this.#inFlight.passOn();
  }

  #settle(entry: Entry, request: SettleRequest, now: Now): SettleOutcome {
    const outcome = this.#apply(entry, request, now);
    this.#inFlight.passOn();
    return outcome;
  }

  #apply(entry: Entry, request: SettleRequest, now: Now): SettleOutcome {
    switch (request.kind) {
      case SETTLE.ack:
        return this.#decide(entry, FATE.done);
      case SETTLE.nack:
        return this.#fail(entry, request, now);
      case SETTLE.return:
        return this.#return(entry, now);
      case SETTLE.extend:
        return this.#extend(entry, request, now);
      case SETTLE.deadLetter:
        return this.#reject(entry, request);
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

  #return(entry: Entry, now: Now): SettleOutcome {
    // An earlier owner's delivery that waits has been given back already; its wait stands.
    if (entry.state !== ENTRY_STATE.waiting) {
      this.#release(entry);
      this.#stepBack(entry, false);
      this.#returned.set(entry, now.monotonicMs + RETURN_DELAY_MS);
      this.#window.enter(entry);
    }
    return DONE;
  }

  /** The consumer gives it up: it is over, as if acknowledged, and nothing behind it comes again. */
  #reject(entry: Entry, { reason = '' }: SettleRequest): SettleOutcome {
    entry.attempts += 1;
    entry.reason = reason;
    entry.cause = DEAD_LETTER_CAUSE.consumer;
    return this.#decide(entry, FATE.dead);
  }

  /** A failed attempt: another one later, or a dead letter. */
  #fail(entry: Entry, failure: { delayMs?: number | undefined; reason?: string | undefined }, now: Now): SettleOutcome {
    const { retry } = this.settings;
    entry.attempts += 1;
    entry.reason = failure.reason ?? '';
    this.#stepBack(entry, true);
    if (entry.attempts >= retry.maxAttempts) {
      return this.#decide(entry, FATE.dead);
    }
    entry.dueAtMs = Math.ceil(now.storeMs + (failure.delayMs ?? retryDelayMs(retry, entry.attempts, this.#random)));
    return this.#decide(entry, FATE.retry);
  }

  #strike(entry: Entry, now: Now): void {
    entry.strikes += 1;
    this.#stepBack(entry, false);
    entry.dueAtMs = now.storeMs;
    this.#decide(entry, FATE.struck);
  }

  /** EXCLUSIVE: what is in flight behind an entry that was not acknowledged comes again after it. */
  #stepBack(entry: Entry, barrier: boolean): void {
    for (const voided of this.#lane(entry).sequencer.fail(entry, barrier)) {
      this.#release(voided);
      voided.state = ENTRY_STATE.ready;
      this.#window.enter(voided);
    }
  }

  /** Notes what becomes of an entry. It holds its credit until that is committed. */
  #decide(entry: Entry, fate: Fate): SettleOutcome {
    entry.heldIn?.remove(entry);
    entry.state = ENTRY_STATE.settling;
    entry.fate = fate;
    entry.ticket = this.#batch.ticket;
    if (!isOver(entry) && !entry.stored) {
      this.#retryCount += 1;
    }
    this.#batch.entries.push(entry);
    return this.#batch.pending;
  }

  #takeEffect(entry: Entry): void {
    this.#release(entry);
    this.#window.leave(entry);
    if (isOver(entry)) {
      this.#retryCount -= entry.stored ? 1 : 0;
      this.#lane(entry).drop(entry);
      return;
    }
    this.#parking -= entry.fate === FATE.parked ? 1 : 0;
    entry.stored = true;
    this.#retries.set(entry, entry.dueAtMs);
  }

  #wake(alarms: Alarms, nowMs: number): void {
    for (let due = alarms.nextDue(nowMs); due !== undefined; due = alarms.nextDue(nowMs)) {
      this.#comeBack(due);
    }
  }

  #comeBack(entry: Entry): void {
    this.#window.enter(entry);
    this.#lane(entry).comeBack(entry);
  }

  /** Nobody holds it any more: its credit and its room in the pool are free. */
  #release(entry: Entry): void {
    entry.heldIn?.remove(entry);
    const { subscription } = entry;
    if (subscription !== undefined) {
      this.#lane(entry).sequencer.released(entry);
      subscription.credit.giveBack(entry.bytes);
      entry.subscription = undefined;
      this.#inFlight.giveBack();
      this.forgetIfIdle(subscription);
    }
  }

  /** A retired subscription that holds nothing is gone. */
  forgetIfIdle({ id, retired, held }: Subscription): void {
    if (retired && held === 0) {
      this.#turns.remove(id);
      if (this.#turns.isEmpty) {
        this.#inFlight.leave();
      }
    }
  }

  #lane({ lane }: Entry): Lane {
    return this.#lanes[lane] as Lane;
  }
}

const isOver = ({ fate }: Entry): boolean => fate === FATE.done || fate === FATE.dead;
