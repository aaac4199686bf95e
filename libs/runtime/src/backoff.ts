import { type Random, systemRandom } from './random.js';

/** How a repeated attempt is spaced. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per attempt; 2 if unset. */
  readonly multiplier?: number;
  /** Share of the delay that is random, 0 to 1; 0.2 if unset. */
  readonly jitter?: number;
}

/** Delay before attempt `attempt` + 1, where the first attempt is 1: exponential, bounded, spread by jitter. */
export function backoffDelayMs(options: BackoffOptions, attempt: number, random: Random = systemRandom): number {
  const { initialMs, maxMs, multiplier = 2, jitter = 0.2 } = options;
  const base = Math.min(maxMs, initialMs * multiplier ** Math.max(0, attempt - 1));
  return base * (1 - jitter + jitter * 2 * random.next());
}

/** Counts attempts and gives the delay before each next one; `reset` after a success. */
export class Backoff {
  #attempt = 0;
  readonly #options: BackoffOptions;
  readonly #random: Random;

  constructor(options: BackoffOptions, random: Random = systemRandom) {
    this.#options = options;
    this.#random = random;
  }

  nextDelayMs(): number {
    this.#attempt += 1;
    return backoffDelayMs(this.#options, this.#attempt, this.#random);
  }

  /** Delays that were given since the start or the last success. */
  get attempts(): number {
    return this.#attempt;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
