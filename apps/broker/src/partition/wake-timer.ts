import { type CancelTimer, type Clock, type Timers } from '@hermes/runtime';

/** One timer for somebody who looks again whenever it rings: it may ring too early, never too late. */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #wake: () => void;
  #cancel: CancelTimer = () => undefined;
  #atMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(clock: Clock, timers: Timers, wake: () => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#wake = wake;
  }

  /** Rings in `waitMs` at the latest. What was asked for before still counts if it is earlier. */
  within(waitMs: number): void {
    const atMs = this.#clock.monotonicMs() + waitMs;
    if (atMs >= this.#atMs || this.#stopped) {
      return;
    }
    this.#cancel();
    this.#atMs = atMs;
    this.#cancel = this.#timers.after(waitMs, () => {
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }

  /** Never rings again. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }
}
