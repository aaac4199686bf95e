import type { Clock } from '@hermes/runtime';

/** How long the last reading of wall time is good. */
const WALL_READ_INTERVAL_MS = 10_000;

/**
 * The store's time: wall time read every 10 s, advanced by the monotonic clock between. A step forward is followed at the
 * next reading, since a machine that was suspended shows nothing else. It never goes back: after wall time was set back
 * it goes on from where it was.
 */
export class StoreTime {
  readonly #clock: Clock;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #wallMs: number;

  /** Begins at wall time, or at `floorMs` if that is later. */
  constructor(clock: Clock, floorMs = 0) {
    this.#clock = clock;
    this.#wallMs = floorMs;
  }

  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    const sinceReadMs = monotonicMs - this.#readAtMs;
    if (sinceReadMs < WALL_READ_INTERVAL_MS) {
      return Math.floor(this.#wallMs + Math.max(0, sinceReadMs));
    }
    const advancedMs = this.#wallMs + (Number.isFinite(sinceReadMs) ? sinceReadMs : 0);
    this.#wallMs = Math.max(this.#clock.wallMs(), advancedMs);
    this.#readAtMs = monotonicMs;
    return Math.floor(this.#wallMs);
  }
}
