/**
 * How long it is until now from then, by the clock that tells more: the monotonic one does not count while a machine is
 * suspended, and what is due comes by the wall clock of its store.
 */
export class Moment {
  readonly #wallMs = Date.now();
  readonly #monotonicMs = performance.now();

  agoMs(): number {
    return Math.max(Date.now() - this.#wallMs, performance.now() - this.#monotonicMs);
  }
}
