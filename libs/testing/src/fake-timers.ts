import { type FakeClock } from './fake-clock.js';

interface FakeTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Timers that fire only while a test advances them, in the order in which they are due. Fits runtime's `Timers`. */
export class FakeTimers {
  readonly #clock: FakeClock;
  readonly #pending = new Set<FakeTimer>();
  #order = 0;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** Number of timers that wait. */
  get size(): number {
    return this.#pending.size;
  }

  after(delayMs: number, callback: () => void): () => void {
    const dueMs = this.#clock.monotonicMs() + Math.max(0, delayMs);
    const timer: FakeTimer = { dueMs, order: this.#order++, callback };
    this.#pending.add(timer);
    return () => {
      this.#pending.delete(timer);
    };
  }

  /** Moves the clock by `byMs` and fires what comes due on the way, timers set by callbacks included. */
  advance(byMs: number): void {
    const endMs = this.#clock.monotonicMs() + byMs;
    while (this.#fireNext(endMs)) {
      // Each round fires one timer.
    }
    this.#clock.advance(endMs - this.#clock.monotonicMs());
  }

  /** As `advance`, and lets promises and I/O callbacks run after each timer. */
  async advanceAsync(byMs: number): Promise<void> {
    const endMs = this.#clock.monotonicMs() + byMs;
    await turn();
    while (this.#fireNext(endMs)) {
      await turn();
    }
    this.#clock.advance(endMs - this.#clock.monotonicMs());
    await turn();
  }

  #fireNext(endMs: number): boolean {
    let next: FakeTimer | undefined;
    for (const timer of this.#pending) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    if (next === undefined || next.dueMs > endMs) {
      return false;
    }
    this.#pending.delete(next);
    this.#clock.advance(Math.max(0, next.dueMs - this.#clock.monotonicMs()));
    next.callback();
    return true;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
