import { HermesError } from '@hermes/contracts';
import { type Clock } from '@hermes/runtime';

/** Limits what one stream may say: a burst, refilled at a steady rate. Costs two numbers per stream. */
export class FrameBudget {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  constructor(clock: Clock, { burst, perSecond }: { readonly burst: number; readonly perSecond: number }) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#atMs = clock.monotonicMs();
  }

  /** Takes one frame; BACKPRESSURE when the stream has said too much. */
  take(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(this.#burst, this.#left + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) {
      throw new HermesError('BACKPRESSURE', `more than ${this.#perSecond} messages a second on one lease stream`);
    }
    this.#left -= 1;
  }
}
