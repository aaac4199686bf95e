import { createDeferred, type Timers } from '@hermes/runtime';

/**
 * A bound on how long a server may take, over any number of calls: a full disk or a dead network answers nothing at
 * all. A late call fails as the driver's fatal errors do.
 */
export class Deadline {
  readonly #late = createDeferred<never>();
  readonly cancel: () => void;

  /** `onLate` is told first. */
  constructor(timers: Timers, ms: number, onLate: () => void) {
    // Nobody need be waiting when it passes.
    this.#late.promise.catch(() => undefined);
    this.cancel = timers.after(ms, () => {
      onLate();
      this.#late.reject(Object.assign(new Error(`no answer within ${ms} ms`), { fatal: true }));
    });
  }

  /** The call's outcome, or its failure once the time is over. */
  race<T>(call: Promise<T>): Promise<T> {
    return Promise.race([call, this.#late.promise]);
  }
}
