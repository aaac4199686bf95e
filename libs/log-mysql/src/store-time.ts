import type { Clock } from '@hermes/runtime';

/** Who is further behind us than this was set back; we go on as before, for a stop would keep everything waiting. */
const SET_BACK_MS = 10_000;

/**
 * The data source's time, read now and then and advanced by our monotonic clock between. It is behind the server rather
 * than ahead, so that nothing comes early however long an answer takes. It never goes back: where our clock has run too
 * fast, it stands until the server has come up.
 */
export class StoreTime {
  readonly #clock: Clock;
  /** The server's time at `#readAtMs` of our clock; undefined: not read yet. */
  #serverMs: number | undefined;
  #readAtMs = 0;
  /** The latest time that was told. */
  #toldMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the server's clock showed; it was asked at `askedAtMs` of the monotonic clock and has answered now. */
  observe(serverMs: number, askedAtMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    // The server looked after it was asked: by now it is this late at least, and at most by the whole round trip later.
    const latestMs = serverMs + nowMs - askedAtMs;
    const believedMs = this.#believedMs(nowMs) ?? serverMs;
    const wasSetBack = believedMs > latestMs + SET_BACK_MS;
    this.#serverMs = wasSetBack ? believedMs : Math.min(Math.max(believedMs, serverMs), latestMs);
    this.#readAtMs = nowMs;
  }

  /** In whole ms; 0 before the first reading. */
  nowMs(): number {
    const believedMs = this.#believedMs(this.#clock.monotonicMs()) ?? 0;
    this.#toldMs = Math.max(this.#toldMs, Math.floor(believedMs));
    return this.#toldMs;
  }

  #believedMs(nowMs: number): number | undefined {
    return this.#serverMs === undefined ? undefined : this.#serverMs + Math.max(0, nowMs - this.#readAtMs);
  }
}
