import { type HermesError } from '@hermes/contracts';
import { Backoff, type BackoffOptions, type Random } from '@hermes/runtime';
import { retryDelayMs } from './failure.js';
import { type TimerSet } from './timer-set.js';

interface Waiting {
  readonly backoff: Backoff;
  isOver: boolean;
}

/** Which endpoints have failed and are left alone for a while. */
export class EndpointBackoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  readonly #timers: TimerSet;
  readonly #onOver: () => void;
  readonly #waiting = new Map<string, Waiting>();

  /** `onOver` is called each time that an endpoint may be tried again. */
  constructor(options: BackoffOptions, deps: { random: Random; timers: TimerSet }, onOver: () => void) {
    this.#options = options;
    this.#random = deps.random;
    this.#timers = deps.timers;
    this.#onOver = onOver;
  }

  mayTry(endpoint: string): boolean {
    return this.#waiting.get(endpoint)?.isOver !== false;
  }

  /** Leaves the endpoint alone: longer each time, and never shorter than it asked. */
  failed(endpoint: string, error: HermesError | undefined): void {
    const { backoff } = this.#waiting.get(endpoint) ?? { backoff: new Backoff(this.#options, this.#random) };
    const waiting = { backoff, isOver: false };
    this.#waiting.set(endpoint, waiting);
    this.#timers.after(retryDelayMs(backoff, error), () => {
      waiting.isOver = true;
      this.#onOver();
    });
  }

  succeeded(endpoint: string): void {
    this.#waiting.delete(endpoint);
  }

  /** Everything may be tried at once: the routes have changed. */
  clear(): void {
    this.#waiting.clear();
  }
}
