import { type DeliveryMode, type Dispatch, SETTLE, type SettleOutcome } from '../src/index.js';
import { check } from './check.js';
import { type StoredGroup } from './stored-group.js';

export const POLICY = {
  kind: 'exponential' as const,
  initialMs: 40,
  maxMs: 400,
  multiplier: 2,
  jitter: 0.2,
  maxAttempts: 3,
};

/** A decision waits for the batch under way, then for its own. */
export const COMMIT_MS_MAX = 15;

/** The store's clock is ahead of the simulation's by this. */
export const STORE_AHEAD_MS = 1_000_000;

/** A dispatch as a consumer got it. */
export interface Delivery extends Dispatch {
  readonly consumerEpoch: number;
  /** Another one, once what it held is handed over. */
  subscriptionId: number;
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

/** Who speaks: the owner's number, and the newest consumer epoch that has subscribed. */
export interface Reign {
  readonly owner: number;
  readonly newestEpoch: number;
}

/** Sees only what was delivered, answered and stored, and says what must not be. */
export class DeliveryJudge {
  readonly #mode: DeliveryMode;
  readonly #stored: StoredGroup;
  readonly #log: Truth[] = [];

  constructor(mode: DeliveryMode, stored: StoredGroup) {
    this.#mode = mode;
    this.#stored = stored;
  }

  /** Messages that were published. */
  get end(): number {
    return this.#log.length;
  }

  get isAllSettled(): boolean {
    return this.#log.every(({ fate }) => fate !== 'open');
  }

  publish(keyHash: number): void {
    this.#log.push({ keyHash, attempts: 0, dueAtMs: 0, fate: 'open', current: undefined, acknowledgedBy: 0 });
  }

  keyHash(offset: number): number {
    return this.#truth(offset).keyHash;
  }

  /** The delivery that counts. */
  current(offset: number): Delivery | undefined {
    return this.#truth(offset).current;
  }

  /** Who held deliveries holds them no more: one subscription, or (undefined) all of the owner before. */
  givenUp(subscriptionId?: number): void {
    for (const truth of this.#log) {
      if (subscriptionId === undefined || truth.current?.subscriptionId === subscriptionId) {
        truth.current = undefined;
      }
    }
  }

  /** What one subscription holds is another's now. */
  inherited(fromId: number, toId: number): void {
    for (const { current } of this.#log) {
      if (current?.subscriptionId === fromId) {
        current.subscriptionId = toId;
      }
    }
  }

  /** A consumer got a message. */
  received(delivery: Delivery, nowMs: number): void {
    const { offset, attempt, consumerEpoch } = delivery;
    const truth = this.#truth(offset);
    check(truth.fate === 'open', `${offset} was delivered after it was settled`);
    check(attempt === truth.attempts + 1, `${offset} has attempt ${attempt} after ${truth.attempts}`);
    check(truth.attempts === 0 || nowMs + STORE_AHEAD_MS >= truth.dueAtMs, `${offset} came before its time`);
    const isTheirs = truth.current !== undefined && truth.current.deliveryNo !== delivery.deliveryNo;
    check(this.#mode === 'exclusive' || !isTheirs, `${offset} was delivered while another holds it`);
    this.#checkOrder(offset, truth);
    const isAdmitted = this.#mode !== 'exclusive' || consumerEpoch === this.#stored.consumerEpoch;
    check(isAdmitted, 'delivered before it was admitted');
    truth.current = delivery;
  }

  /** The owner answered a settle, or took it on. */
  settled(delivery: Delivery, kind: number, outcome: SettleOutcome, { owner, newestEpoch }: Reign): void {
    const { offset, deliveryNo, consumerEpoch } = delivery;
    const truth = this.#truth(offset);
    if (outcome.kind === 'settledBefore') {
      check(truth.fate !== 'open', `ack of ${offset} answered as settled, which it is not`);
      return;
    }
    if (outcome.kind === 'pending' && kind === SETTLE.ack) {
      const isDecided = truth.acknowledgedBy === owner;
      const superseded = !isDecided && truth.current !== undefined && truth.current.deliveryNo !== deliveryNo;
      check(!superseded, `a superseded delivery of ${offset} was acknowledged`);
      const isNewer = consumerEpoch < newestEpoch && this.#stored.consumerEpoch > consumerEpoch;
      check(this.#mode !== 'exclusive' || !isNewer, 'a former holder settled over its successor');
      check(!this.#isPassedByRetry(offset), `ack of ${offset} passed a failed message`);
      truth.acknowledgedBy = owner;
    }
    if (outcome.kind === 'done' && kind === SETTLE.return) {
      truth.current = undefined;
    }
  }

  /** The consumer hears that its acknowledgement is durable. */
  answered(offset: number): void {
    const isAcked = this.#stored.isSettled(offset) && !this.#stored.dead.has(offset);
    check(isAcked, `ack of ${offset} was answered before it was stored`);
  }

  /** Brings the truth up to what is stored, and checks that the step was a lawful one. */
  written(nowMs: number): void {
    const { retries, dead, floor } = this.#stored;
    check(floor <= this.#log.length, 'the floor is beyond the log');
    this.#log.forEach((truth, offset) => {
      const retry = retries.get(offset);
      const fate = !this.#stored.isSettled(offset) ? 'open' : dead.has(offset) ? 'dead' : 'acked';
      check(truth.fate === 'open' || truth.fate === fate, `${offset} went from ${truth.fate} to ${fate}`);
      check(fate !== 'acked' || truth.acknowledgedBy > 0, `${offset} is lost`);
      const attempts = retry?.attempts ?? truth.attempts;
      check(attempts === truth.attempts || attempts === truth.attempts + 1, `${offset} lost an attempt`);
      if (attempts > truth.attempts || fate !== 'open') {
        truth.current = undefined;
      }
      this.#checkFailure(offset, truth, nowMs);
      truth.fate = fate;
      truth.attempts = attempts;
      truth.dueAtMs = retry?.dueAtMs ?? truth.dueAtMs;
    });
  }

  /** Nothing may be left open at the end. */
  ended(): void {
    this.#log.forEach(({ fate }, offset) => {
      check(fate !== 'open', `message ${offset} was never settled`);
    });
  }

  /** Order per key: all before it are settled. Per lane: all before it are settled or in flight, none has failed. */
  #checkOrder(offset: number, truth: Truth): void {
    for (let before = 0; before < offset; before += 1) {
      const other = this.#truth(before);
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

  /** A dead letter has had all its attempts, and a retry waits as long as the policy says. */
  #checkFailure(offset: number, truth: Truth, nowMs: number): void {
    const dead = this.#stored.dead.get(offset);
    if (dead !== undefined && truth.fate === 'open') {
      check(dead.attempts === POLICY.maxAttempts, `${offset} died too early`);
    }
    const retry = this.#stored.retries.get(offset);
    if (retry !== undefined && retry.attempts > truth.attempts) {
      const wait = retry.dueAtMs - (nowMs + STORE_AHEAD_MS);
      check(wait > POLICY.initialMs - 2 * COMMIT_MS_MAX, `${offset} has a wait of ${wait} ms`);
    }
  }

  #isPassedByRetry(offset: number): boolean {
    const failed = [...this.#stored.retries.values()].filter((retry) => retry.attempts > 0);
    return this.#mode === 'exclusive' && failed.some((retry) => retry.offset < offset);
  }

  #truth(offset: number): Truth {
    const truth = this.#log[offset];
    check(truth !== undefined, `there is no message ${offset}`);
    return truth;
  }
}
