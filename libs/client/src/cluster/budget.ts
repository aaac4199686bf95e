import { HermesError } from '@hermes/contracts';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { type CallLimits, type Environment } from './environment.js';

interface Waiter {
  readonly bytes: number;
  readonly granted: Deferred<boolean>;
}

/**
 * Bytes that may wait at one place, and together with other places (`parent`). First come, first served: while
 * somebody waits, `tryTake` gives nothing. One taker always fits an empty budget, whatever its size.
 */
export class Budget {
  readonly #bytesMax: number;
  readonly #parent: Budget | undefined;
  readonly #children = new Set<Budget>();
  readonly #waiters: Waiter[] = [];
  #used = 0;

  constructor(bytesMax: number, parent?: Budget) {
    this.#bytesMax = bytesMax;
    this.#parent = parent;
  }

  /** Bytes taken now. */
  get used(): number {
    return this.#used;
  }

  /** True if nothing is taken and nobody waits. */
  get isIdle(): boolean {
    return this.#used === 0 && this.#waiters.length === 0;
  }

  /** Takes at once, or not at all. */
  tryTake(bytes: number): boolean {
    return this.#waiters.length === 0 && this.#takeNow(bytes);
  }

  /** Takes when there is room: this is how callers feel backpressure. BACKPRESSURE at the deadline. */
  async take(bytes: number, limits: CallLimits, { clock, timers }: Environment): Promise<void> {
    if (this.tryTake(bytes)) {
      return;
    }
    const waiter: Waiter = { bytes, granted: createDeferred() };
    this.#waiters.push(waiter);
    this.#enlist();
    const giveUp = (): void => {
      const index = this.#waiters.indexOf(waiter);
      if (index >= 0) {
        this.#waiters.splice(index, 1);
        waiter.granted.resolve(false);
      }
    };
    const cancelTimer = timers.after(limits.deadlineAtMs - clock.monotonicMs(), giveUp);
    limits.signal?.addEventListener('abort', giveUp, { once: true });
    if (limits.signal?.aborted === true) {
      giveUp();
    }
    const granted = await waiter.granted.promise;
    cancelTimer();
    limits.signal?.removeEventListener('abort', giveUp);
    if (!granted) {
      throw new HermesError('BACKPRESSURE', 'no room for the message before its deadline');
    }
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.#used -= bytes;
    this.#parent?.give(bytes);
    this.#serve();
    if (this.#parent === undefined) {
      this.#children.forEach((child) => {
        child.#serve();
      });
    }
  }

  #serve(): void {
    for (let first = this.#waiters[0]; first !== undefined && this.#takeNow(first.bytes); first = this.#waiters[0]) {
      this.#waiters.shift();
      first.granted.resolve(true);
    }
    if (this.#waiters.length === 0 && this.#parent !== undefined) {
      this.#parent.#children.delete(this);
    }
  }

  /** So that room in the parent is offered here. */
  #enlist(): void {
    if (this.#parent !== undefined) {
      this.#parent.#children.add(this);
    }
  }

  #takeNow(bytes: number): boolean {
    if (this.#used > 0 && this.#used + bytes > this.#bytesMax) {
      return false;
    }
    if (this.#parent !== undefined && !this.#parent.tryTake(bytes)) {
      return false;
    }
    this.#used += bytes;
    return true;
  }
}
