import { type Clock } from '@hermes/runtime';

/** Longest stretch of dispatch work before sockets, timers and heartbeats get their turn again. */
const TURN_MS = 5;

/** Runs small steps of work in order, a few milliseconds' worth per turn of the event loop. */
export class Turns {
  readonly #clock: Clock;
  #steps: (() => void)[] = [];
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `step` soon; it takes well under a millisecond and asks again if there is more to do. */
  soon(step: () => void): void {
    this.#steps.push(step);
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#turn();
      });
    }
  }

  #turn(): void {
    this.#scheduled = false;
    const steps = this.#steps;
    this.#steps = [];
    const untilMs = this.#clock.monotonicMs() + TURN_MS;
    let done = 0;
    try {
      while (done < steps.length && (done === 0 || this.#clock.monotonicMs() < untilMs)) {
        done += 1;
        steps[done - 1]?.();
      }
    } finally {
      this.#steps = [...steps.slice(done), ...this.#steps];
      if (this.#steps.length > 0) {
        this.#schedule();
      }
    }
  }
}
