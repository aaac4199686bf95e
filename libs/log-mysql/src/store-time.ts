import type { Clock } from '@hermes/runtime';

/** The data source's time, read now and then and advanced by our monotonic clock between. It never goes back. */
export class StoreTime {
  readonly #clock: Clock;
  #serverMs = 0;
  #readAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the server's clock showed; it was asked at `askedAtMs` of the monotonic clock and has answered now. */
  observe(serverMs: number, askedAtMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const middleMs = (askedAtMs + nowMs) / 2;
    const observedNowMs = serverMs + (nowMs - middleMs);
    this.#serverMs = Math.max(observedNowMs, this.#readAtMs === 0 ? 0 : this.#advanced());
    this.#readAtMs = nowMs;
  }

  nowMs(): number {
    return Math.floor(this.#advanced());
  }

  #advanced(): number {
    return this.#serverMs + Math.max(0, this.#clock.monotonicMs() - this.#readAtMs);
  }
}
