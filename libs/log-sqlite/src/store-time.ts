import type { Clock } from '@hermes/runtime';

/** How long the last reading of wall time is good. */
const WALL_READ_INTERVAL_MS = 10_000;

/**
 * The store's time: wall time read every 10 s, advanced by the monotonic clock between. It never goes back: after wall
 * time was set back it goes on from where it was.
 */
export class StoreTime {
  readonly #clock: Clock;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #wallMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const advancedMs = this.#wallMs + Math.max(0, monotonicMs - this.#readAtMs);
    if (monotonicMs - this.#readAtMs < WALL_READ_INTERVAL_MS) {
      return Math.floor(advancedMs);
    }
    const isFirst = this.#wallMs === 0;
    this.#wallMs = isFirst ? this.#clock.wallMs() : Math.max(this.#clock.wallMs(), advancedMs);
    this.#readAtMs = monotonicMs;
    return Math.floor(this.#wallMs);
  }
}
