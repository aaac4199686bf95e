import { type CancelTimer } from '@hermes/runtime';
import { type Environment } from './environment.js';

/** Deadlines are looked after in steps, so that no message needs a timer. */
const STEP_MS = 10;

/** Watches many deadlines with one timer: that of the earliest. */
export class DeadlineWatch {
  readonly #environment: Environment;
  readonly #onDue: (nowMs: number) => number;
  #nextAtMs = Infinity;
  #cancelTimer: CancelTimer | undefined;

  /** `onDue` settles what is late by then, and gives the earliest deadline that is left (Infinity: none). */
  constructor(environment: Environment, onDue: (nowMs: number) => number) {
    this.#environment = environment;
    this.#onDue = onDue;
  }

  add(deadlineAtMs: number): void {
    if (deadlineAtMs >= this.#nextAtMs) {
      return;
    }
    const { clock, timers } = this.#environment;
    this.#cancelTimer?.();
    this.#nextAtMs = deadlineAtMs;
    this.#cancelTimer = timers.after(Math.max(STEP_MS, deadlineAtMs - clock.monotonicMs()), () => {
      this.#nextAtMs = Infinity;
      this.add(this.#onDue(clock.monotonicMs()));
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#nextAtMs = -Infinity;
  }
}
