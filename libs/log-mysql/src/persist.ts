import { Backoff, type Random, sleep, type Timers } from '@hermes/runtime';

import { readFault } from './mysql-fault.js';

export interface PersistOptions {
  readonly timers: Timers;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** Tries of a step of an opening whose outcome was not learned, or that something held up. */
const ATTEMPTS_MAX = 5;
const RETRY = { initialMs: 20, maxMs: 500 };

/** Repeats a step that is harmless to repeat while the server is `unavailable`, a few times. */
export async function persist<T>(options: PersistOptions, step: () => Promise<T>): Promise<T> {
  const backoff = new Backoff(RETRY, options.random);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      // Anything that is no fault of the server is thrown on by readFault.
      if (readFault(error, 'open').kind !== 'unavailable' || attempt === ATTEMPTS_MAX) {
        throw error;
      }
    }
    await sleep(options.timers, backoff.nextDelayMs(), options.signal);
  }
}
