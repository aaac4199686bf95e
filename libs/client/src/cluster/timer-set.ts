import { type CancelTimer, type Timers } from '@hermes/runtime';

/** Timers that end together. */
export class TimerSet {
  readonly #timers: Timers;
  readonly #pending = new Set<CancelTimer>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Runs `task` after `delayMs`, unless it is cancelled before: by itself or with all. */
  after(delayMs: number, task: () => void): CancelTimer {
    const cancelTimer = this.#timers.after(delayMs, () => {
      this.#pending.delete(cancel);
      task();
    });
    const cancel = (): void => {
      this.#pending.delete(cancel);
      cancelTimer();
    };
    this.#pending.add(cancel);
    return cancel;
  }

  cancelAll(): void {
    this.#pending.forEach((cancel) => {
      cancel();
    });
  }
}
