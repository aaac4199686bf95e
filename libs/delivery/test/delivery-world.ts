import { type SeededRandom, type Simulation } from '@hermes/testing';

import {
  Credit,
  type DeadLetterEntry,
  type DeliveryMode,
  type Dispatch,
  type GroupChange,
  GroupDispatcher,
  type GroupSnapshot,
  type Now,
  type OffsetRange,
  type RetryEntry,
  SETTLE,
  type SettleOutcome,
  type SettleRequest,
} from '../src/index.js';

/** Wrong behaviour that a test plants between the dispatcher, its storage and its callers. */
export interface Bugs {
  /** Changes what is written. */
  readonly changes?: (changes: readonly GroupChange[]) => readonly GroupChange[];
  /** Changes a receipt before it is judged. */
  readonly settle?: (request: SettleRequest, latest: Dispatch) => SettleRequest;
  /** Changes what a new owner loads. */
  readonly load?: (snapshot: GroupSnapshot) => GroupSnapshot;
  /** Changes the hash of a key on its way in. */
  readonly keyHash?: (keyHash: number) => number;
  /** Runs the dispatcher in another mode than the one promised. */
  readonly mode?: DeliveryMode;
  /** Changes a dispatch on its way to the consumer. */
  readonly dispatch?: (dispatch: Dispatch) => Dispatch;
  /** Answers a settle when it is decided, not when it is stored. */
  readonly answersEarly?: boolean;
  /** Added to the store's clock. */
  readonly storeSkewMs?: number;
}

interface Delivery extends Dispatch {
  readonly consumerEpoch: number;
  readonly subscriptionId: number;
}

/** What is true of one message, told by commits and deliveries alone. */
interface Truth {
  readonly keyHash: number;
  attempts: number;
  dueAtMs: number;
  fate: 'open' | 'acked' | 'dead';
  current: Delivery | undefined;
  /** The last owner that has taken an acknowledgement on; 0 = none. */
  acknowledgedBy: number;
}

const POLICY = { initialMs: 40, maxMs: 400, multiplier: 2, jitter: 0.2, maxAttempts: 3 };
const LOG_RECORDS = 40;
const ACK_DEADLINE_MS = 60;
/** A decision waits for the batch under way, then for its own. */
const COMMIT_MS_MAX = 15;
const LIMITS = { windowRecordsMax: 12, rangesMax: 4, retriesMax: 2_000 };

/**
 * A group in one partition: a log, a store that writes batches late, an owner that crashes and stalls, consumers that
 * settle, repeat, forget and vanish. The checks see only what was delivered, answered and stored.
 */
export class DeliveryWorld {
  readonly #simulation: Simulation;
  readonly #mode: DeliveryMode;
  readonly #bugs: Bugs;
  readonly #random: SeededRandom;
  readonly #log: Truth[] = [];
  readonly #retries = new Map<number, RetryEntry>();
  readonly #dead = new Map<number, DeadLetterEntry>();
  #cursor: { floor: number; settled: readonly OffsetRange[] } = { floor: 0, settled: [] };
  #holder = { consumerEpoch: 0, token: 0 };
  #dispatcher!: GroupDispatcher;
  #owner = 0;
  #deliveryNo = 0;
  #subscriptions = new Map<number, number>();
  #subscriptionId = 0;
  #consumerEpoch = 0;
  #held: Delivery[] = [];
  #past: Delivery[] = [];
  #waiting: { readonly ticket: number; readonly run: () => void }[] = [];
  #cancelTimer = (): void => undefined;
  #quiet = false;
  #healed = false;
  deliveries = 0;

  constructor(simulation: Simulation, mode: DeliveryMode, bugs: Bugs = {}) {
    this.#simulation = simulation;
    this.#mode = mode;
    this.#bugs = bugs;
    this.#random = simulation.random('world');
    this.#open();
  }

  /** Plays faults, then heals, and checks that everything came to an end. */
  play(): void {
    for (let step = 0; step < 120; step += 1) {
      this.#simulation.after(this.#random.between(0, 1_500), 'event', () => {
        this.#event();
      });
    }
    this.#simulation.run(1_500);
    this.#healed = true;
    while (this.#log.length < LOG_RECORDS) {
      this.#publish();
    }
    this.#join();
    this.#poll();
    this.#simulation.run(12_000);
    this.#log.forEach((truth, offset) => {
      check(truth.fate !== 'open', `message ${offset} was never settled`);
    });
    const [counts] = this.#dispatcher.counts([this.#log.length]);
    check(counts?.unsettled === 0 && counts.inFlight === 0 && counts.retrying === 0, 'counts are not zero at the end');
    check(counts.floor === this.#log.length, 'the floor is not the end of the log');
    check(this.#dispatcher.gauges.windowRecords === 0 && this.#dispatcher.gauges.windowBytes === 0, 'window leaks');
  }

  #poll(): void {
    this.#pump();
    for (const delivery of this.#held.splice(0)) {
      this.#settle(delivery, { kind: SETTLE.ack });
    }
    this.#pump();
    if (this.#log.some(({ fate }) => fate === 'open') && this.#simulation.nowMs < 11_000) {
      this.#simulation.after(25, 'poll', () => {
        this.#poll();
      });
    }
  }

  #event(): void {
    const draw = this.#random.next();
    if (draw < 0.3) {
      this.#publish();
    } else if (draw < 0.62) {
      this.#consume();
    } else if (draw < 0.72) {
      this.#repeat();
    } else if (draw < 0.8) {
      this.#join();
    } else if (draw < 0.86) {
      this.#leave();
    } else if (draw < 0.9) {
      this.#open();
    } else if (draw < 0.95) {
      this.#quiet = !this.#quiet;
    }
    this.#pump();
  }

  #now(): Now {
    const storeMs = this.#simulation.nowMs + 1_000_000 + (this.#bugs.storeSkewMs ?? 0);
    return { monotonicMs: this.#simulation.nowMs, storeMs };
  }

  #publish(): void {
    if (this.#log.length < LOG_RECORDS) {
      const keyHash = this.#random.integer(0, 3);
      this.#log.push({ keyHash, attempts: 0, dueAtMs: 0, fate: 'open', current: undefined, acknowledgedBy: 0 });
    }
  }

  /** A new owner: what the old one knew and had not stored is gone. */
  #open(): void {
    this.#owner += 1;
    this.#subscriptions.clear();
    this.#waiting = [];
    for (const truth of this.#log) {
      truth.current = undefined;
    }
    const snapshot: GroupSnapshot = {
      groupId: 1,
      ...this.#holder,
      generation: 0,
      lanes: [{ lane: 0, ...this.#cursor }],
      retries: [...this.#retries.values()],
    };
    this.#dispatcher = new GroupDispatcher({
      mode: this.#bugs.mode ?? this.#mode,
      settings: { retry: POLICY, paused: false },
      snapshot: this.#bugs.load?.(snapshot) ?? snapshot,
      redeliveredBelow: [this.#log.length],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: this.#random,
      limits: LIMITS,
    });
    this.#checkSnapshot();
  }

  #join(): void {
    this.#subscriptionId += 1;
    this.#consumerEpoch += 1;
    const [id, consumerEpoch] = [this.#subscriptionId, this.#consumerEpoch];
    const credit = new Credit(this.#random.integer(1, 8), 1_000);
    const request = { id, consumer: `c${id}`, consumerEpoch, ackDeadlineMs: ACK_DEADLINE_MS, credit };
    const outcome = this.#dispatcher.subscribe(request);
    check(outcome.kind === 'accepted', 'the newest holder was refused');
    this.#subscriptions.set(id, consumerEpoch);
    for (const fenced of outcome.fenced) {
      this.#subscriptions.delete(fenced);
      this.#giveUp(fenced);
    }
  }

  #leave(): void {
    const ids = [...this.#subscriptions.keys()];
    const id = ids.length === 0 ? undefined : this.#random.pick(ids);
    if (id !== undefined) {
      this.#subscriptions.delete(id);
      this.#dispatcher.unsubscribe(id);
      this.#giveUp(id);
    }
  }

  #giveUp(subscriptionId: number): void {
    for (const truth of this.#log) {
      if (truth.current?.subscriptionId === subscriptionId) {
        truth.current = undefined;
      }
    }
  }

  #consume(): void {
    const index = this.#random.integer(0, Math.max(0, this.#held.length - 1));
    const [delivery] = this.#held.splice(index, 1);
    if (delivery === undefined) {
      return;
    }
    const draw = this.#random.next();
    const kind = draw < 0.6 ? SETTLE.ack : draw < 0.85 ? SETTLE.nack : draw < 0.93 ? SETTLE.return : SETTLE.extend;
    this.#settle(delivery, kind === SETTLE.extend ? { kind, deadlineMs: 150 } : { kind });
    if (kind === SETTLE.extend) {
      this.#held.push(delivery);
    }
  }

  /** A late or repeated settle of any receipt ever given. */
  #repeat(): void {
    if (this.#past.length > 0) {
      this.#settle(this.#random.pick(this.#past), { kind: this.#random.chance(0.6) ? SETTLE.ack : SETTLE.nack });
    }
  }

  #settle(delivery: Delivery, what: Pick<SettleRequest, 'kind' | 'deadlineMs'>): void {
    const { lane, offset, attempt, deliveryNo, consumerEpoch } = delivery;
    const asked: SettleRequest = { lane, offset, attempt, deliveryNo, consumerEpoch, ...what };
    const request = this.#bugs.settle?.(asked, (this.#log[offset] as Truth).current ?? delivery) ?? asked;
    const outcome = this.#dispatcher.settle(request, this.#now());
    this.#simulation.note(`settle ${what.kind} of ${offset}#${attempt}/${deliveryNo}: ${outcome.kind}`);
    this.#checkSettle(delivery, what.kind, outcome);
    if (outcome.kind === 'pending' && what.kind === SETTLE.ack) {
      (this.#log[offset] as Truth).acknowledgedBy = this.#owner;
      const answer = (): void => {
        check(this.#isSettled(offset) && !this.#dead.has(offset), `ack of ${offset} was answered before it was stored`);
      };
      if (this.#bugs.answersEarly === true) {
        answer();
      } else {
        this.#waiting.push({ ticket: outcome.ticket, run: answer });
      }
    }
    if (what.kind === SETTLE.return && outcome.kind === 'done') {
      (this.#log[offset] as Truth).current = undefined;
    }
  }

  #checkSettle(delivery: Delivery, kind: number, outcome: SettleOutcome): void {
    const truth = this.#log[delivery.offset] as Truth;
    if (outcome.kind === 'settledBefore') {
      check(truth.fate !== 'open', `ack of ${delivery.offset} answered as settled, which it is not`);
      return;
    }
    const isDecided = truth.acknowledgedBy === this.#owner;
    const superseded = !isDecided && truth.current !== undefined && truth.current.deliveryNo !== delivery.deliveryNo;
    if (outcome.kind === 'pending' && kind === SETTLE.ack) {
      check(!superseded, `a superseded delivery of ${delivery.offset} was acknowledged`);
      const isNewer =
        delivery.consumerEpoch < this.#consumerEpoch && this.#holder.consumerEpoch > delivery.consumerEpoch;
      check(this.#mode !== 'exclusive' || !isNewer, 'a former holder settled over its successor');
      check(!this.#isPassedByRetry(delivery.offset), `ack of ${delivery.offset} passed a failed message`);
    }
  }

  #isPassedByRetry(offset: number): boolean {
    return this.#mode === 'exclusive' && [...this.#retries.values()].some((r) => r.attempts > 0 && r.offset < offset);
  }

  #pump(): void {
    for (let moved = true; moved;) {
      moved = this.#feed();
      for (const { subscriptionId, dispatches } of this.#dispatcher.dispatch(this.#now())) {
        moved = true;
        check(this.#subscriptions.has(subscriptionId), 'a delivery to nobody');
        for (const dispatch of dispatches) {
          this.#receive(subscriptionId, this.#bugs.dispatch?.(dispatch) ?? dispatch);
        }
      }
    }
    this.#commit();
    this.#cancelTimer();
    const waitMs = this.#dispatcher.nextTimerMs(this.#now());
    const owner = this.#owner;
    if (waitMs !== undefined && !(this.#quiet && !this.#healed)) {
      this.#cancelTimer = this.#simulation.after(waitMs + 0.01, 'timer', () => {
        if (owner === this.#owner) {
          this.#dispatcher.tick(this.#now());
          this.#pump();
        }
      });
    }
  }

  #feed(): boolean {
    const end = this.#log.length;
    const [wanted] = this.#dispatcher.wanted(this.#now());
    if (wanted === undefined || wanted.from >= end) {
      return false;
    }
    const offsets = Array.from({ length: end - wanted.from }, (_, index) => wanted.from + index);
    const keyHashes = offsets.map((offset) => {
      const { keyHash } = this.#log[offset] as Truth;
      return this.#bugs.keyHash?.(keyHash) ?? keyHash;
    });
    const ends = offsets.map((_, index) => (index + 1) * 10);
    return this.#dispatcher.feed(0, { from: wanted.from, nextOffset: end, offsets, keyHashes, ends }) > wanted.from;
  }

  #receive(subscriptionId: number, dispatch: Dispatch): void {
    const truth = this.#log[dispatch.offset] as Truth;
    const { offset, attempt } = dispatch;
    this.deliveries += 1;
    this.#simulation.note(`deliver ${offset}#${attempt}/${dispatch.deliveryNo} key ${truth.keyHash}`);
    check(truth.fate === 'open', `${offset} was delivered after it was settled`);
    check(attempt === truth.attempts + 1, `${offset} has attempt ${attempt} after ${truth.attempts}`);
    check(
      truth.attempts === 0 || this.#simulation.nowMs + 1_000_000 >= truth.dueAtMs,
      `${offset} came before its time`,
    );
    this.#checkOrder(offset, truth);
    const consumerEpoch = this.#subscriptions.get(subscriptionId) ?? 0;
    check(
      this.#mode !== 'exclusive' || consumerEpoch === this.#holder.consumerEpoch,
      'delivered before it was admitted',
    );
    truth.current = { ...dispatch, consumerEpoch, subscriptionId };
    this.#held.push(truth.current);
    this.#past.push(truth.current);
  }

  /** Order per key: all before it are settled. Per lane: all before it are settled or in flight, none has failed. */
  #checkOrder(offset: number, truth: Truth): void {
    for (let before = 0; before < offset; before += 1) {
      const other = this.#log[before] as Truth;
      if (other.fate !== 'open') {
        continue;
      }
      if (this.#mode === 'keyOrdered' && truth.keyHash !== 0) {
        check(other.keyHash !== truth.keyHash, `${offset} overtook ${before} of its key`);
      }
      if (this.#mode === 'exclusive') {
        check(other.attempts === 0, `${offset} passed ${before}, which has failed`);
        check(other.current !== undefined, `${offset} was delivered before ${before}`);
      }
    }
  }

  #commit(): void {
    const sealed = this.#dispatcher.takeChanges(this.#now());
    if (sealed === undefined) {
      return;
    }
    const owner = this.#owner;
    this.#simulation.after(this.#random.between(0.5, COMMIT_MS_MAX), `commit ${sealed.ticket}`, () => {
      if (owner !== this.#owner) {
        return;
      }
      for (const change of this.#bugs.changes?.(sealed.changes) ?? sealed.changes) {
        this.#write(change);
      }
      this.#checkSnapshot();
      this.#dispatcher.committed(sealed.ticket);
      const answered = this.#waiting.filter(({ ticket }) => ticket <= sealed.ticket);
      this.#waiting = this.#waiting.filter(({ ticket }) => ticket > sealed.ticket);
      answered.forEach(({ run }) => {
        run();
      });
      this.#pump();
    });
  }

  #write(change: GroupChange): void {
    switch (change.kind) {
      case 'cursor':
        check(change.cursor.floor >= this.#cursor.floor, 'the floor went back');
        this.#cursor = change.cursor;
        break;
      case 'holder':
        check(change.token > this.#holder.token, 'the fencing token did not grow');
        this.#holder = { consumerEpoch: change.consumerEpoch, token: change.token };
        break;
      case 'retry':
        this.#retries.set(change.entry.offset, change.entry);
        break;
      case 'retryDone':
        this.#retries.delete(change.offset);
        break;
      case 'deadLetter':
        check(!this.#dead.has(change.entry.offset), `${change.entry.offset} died twice`);
        this.#dead.set(change.entry.offset, change.entry);
        break;
      case 'created':
      case 'deleted':
        break;
    }
  }

  /** Brings the truth up to what is stored, and checks that the step was a lawful one. */
  #checkSnapshot(): void {
    check(this.#cursor.floor <= this.#log.length, 'the floor is beyond the log');
    this.#log.forEach((truth, offset) => {
      const [retry, isDead] = [this.#retries.get(offset), this.#dead.has(offset)];
      const fate = !this.#isSettled(offset) ? 'open' : isDead ? 'dead' : 'acked';
      check(truth.fate === 'open' || truth.fate === fate, `${offset} went from ${truth.fate} to ${fate}`);
      check(fate !== 'acked' || truth.acknowledgedBy > 0, `${offset} is lost`);
      const attempts = retry?.attempts ?? truth.attempts;
      check(attempts === truth.attempts || attempts === truth.attempts + 1, `${offset} lost an attempt`);
      if (attempts > truth.attempts || fate !== 'open') {
        truth.current = undefined;
      }
      this.#checkFailure(offset, truth);
      truth.fate = fate;
      truth.attempts = attempts;
      truth.dueAtMs = retry?.dueAtMs ?? truth.dueAtMs;
    });
  }

  /** A dead letter has had all its attempts, and a retry waits as long as the policy says. */
  #checkFailure(offset: number, truth: Truth): void {
    const retry = this.#retries.get(offset);
    if (this.#dead.has(offset) && truth.fate === 'open') {
      check(this.#dead.get(offset)?.attempts === POLICY.maxAttempts, `${offset} died too early`);
    }
    if (retry !== undefined && retry.attempts > truth.attempts) {
      const wait = retry.dueAtMs - (this.#simulation.nowMs + 1_000_000);
      check(wait > POLICY.initialMs - 2 * COMMIT_MS_MAX, `${offset} has a wait of ${wait} ms`);
    }
  }

  #isSettled(offset: number): boolean {
    const { floor, settled } = this.#cursor;
    const isBelow = offset < floor || settled.some(({ from, to }) => offset >= from && offset < to);
    return isBelow && !this.#retries.has(offset);
  }
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) {
    throw new Error(what);
  }
}
