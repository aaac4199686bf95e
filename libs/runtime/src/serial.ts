/** Runs asynchronous steps one after the other, in the order of their calls. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step);
    // The caller gets the failure; the next step only waits for the end.
    this.#last = result.catch(() => undefined);
    return result;
  }
}
