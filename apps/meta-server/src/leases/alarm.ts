import { type CancelTimer, type Clock, type Timers } from '@hermes/runtime';

/** One timer for a state machine that tells when it wants to be called next. */
export class Alarm {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #ring: () => void;
  #cancel: CancelTimer | undefined;
  #setForMs: number | undefined;

  constructor(options: { readonly timers: Timers; readonly clock: Clock; readonly ring: () => void }) {
    this.#timers = options.timers;
    this.#clock = options.clock;
    this.#ring = options.ring;
  }

  /** Rings at `atMs` on the monotonic clock, or never if undefined; replaces what was set. */
  set(atMs: number | undefined): void {
    if (atMs === this.#setForMs) {
      return;
    }
    this.stop();
    if (atMs !== undefined && Number.isFinite(atMs)) {
      this.#setForMs = atMs;
      this.#cancel = this.#timers.after(atMs - this.#clock.monotonicMs(), () => {
        this.#setForMs = undefined;
        this.#ring();
      });
    }
  }

  stop(): void {
    this.#cancel?.();
    this.#setForMs = undefined;
  }
}
