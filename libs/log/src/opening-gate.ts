import { createDeferred } from '@hermes/runtime';

import { StoreError } from './store-error.js';

/** Whether one opening of a partition may still be used: until it is closed, or lost. Knows what is under way in it. */
export class OpeningGate {
  readonly #name: string;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #lost = createDeferred<StoreError>();
  readonly #ended = new AbortController();
  #refusal: StoreError | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Why nothing may be done here any more; undefined while it may. */
  get refusal(): StoreError | undefined {
    return this.#refusal;
  }

  /** Resolves once the opening was lost. */
  get lost(): Promise<StoreError> {
    return this.#lost.promise;
  }

  /** Aborted, with the refusal, when the opening ends: nothing waits in it any longer. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Runs a call of this opening; rejects with the refusal once it has ended. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#refusal !== undefined) {
      throw this.#refusal;
    }
    const answer = call();
    this.#underWay.add(answer);
    try {
      return await answer;
    } finally {
      this.#underWay.delete(answer);
    }
  }

  /** The data source can serve this opening no longer. */
  lose(reason: string): void {
    const error = new StoreError('closed', `${this.#name} is lost: ${reason}`);
    this.#lost.resolve(error);
    this.#end(error);
  }

  /** Takes no more calls; resolves once those under way have been answered. */
  async close(): Promise<void> {
    this.#refusal ??= new StoreError('closed', `${this.#name} is closed`);
    await Promise.allSettled(this.#underWay);
    this.#end(this.#refusal);
  }

  #end(error: StoreError): void {
    this.#refusal ??= error;
    if (!this.#ended.signal.aborted) {
      this.#ended.abort(this.#refusal);
    }
  }
}
