/** A clock that moves only when told: both hands at once with `advance`, or each by itself. Fits runtime's `Clock`. */
export class FakeClock {
  #wallMs: number;
  #monotonicMs: number;

  constructor(start: { wallMs?: number; monotonicMs?: number } = {}) {
    this.#wallMs = start.wallMs ?? Date.UTC(2030, 0, 1);
    this.#monotonicMs = start.monotonicMs ?? 0;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  /** Lets time pass on both clocks. */
  advance(byMs: number): void {
    this.#wallMs += byMs;
    this.advanceMonotonic(byMs);
  }

  /** Lets only the monotonic clock go on. */
  advanceMonotonic(byMs: number): void {
    if (byMs < 0) {
      throw new RangeError(`a monotonic clock cannot go back by ${-byMs} ms`);
    }
    this.#monotonicMs += byMs;
  }

  /** Makes wall time jump, as an operator or a suspended machine does. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }
}
