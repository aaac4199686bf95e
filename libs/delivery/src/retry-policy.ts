import type { Random } from '@hermes/runtime';

/** When a failed message comes again, and how often. */
export type RetryPolicy = RetryWaits & {
  /** All deliveries, the first included. */
  readonly maxAttempts: number;
};

/** The waits between the attempts. */
export type RetryWaits = ExponentialWaits | FixedWaits | ListedWaits;

/** Growing waits: initial × multiplier^(attempt − 1), at most max, and then up to `jitter` of it longer. */
export interface ExponentialWaits {
  readonly kind: 'exponential';
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per attempt, at least 1. */
  readonly multiplier: number;
  /** Share of the wait that is random, 0 to 1. */
  readonly jitter: number;
}

/** The same wait each time. */
export interface FixedWaits {
  readonly kind: 'fixed';
  readonly delayMs: number;
}

/** One wait after another; `maxAttempts` is one more than there are waits. */
export interface ListedWaits {
  readonly kind: 'list';
  readonly delaysMs: readonly number[];
}

/**
 * Wait after attempt `attempt` (1, 2, …) failed; never shorter than the policy says. Drawn once, when the failure is
 * decided.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: Random): number {
  switch (policy.kind) {
    case 'exponential': {
      const base = Math.min(policy.maxMs, policy.initialMs * policy.multiplier ** (attempt - 1));
      return Math.ceil(base * (1 + policy.jitter * random.next()));
    }
    case 'fixed':
      return policy.delayMs;
    case 'list':
      // A policy that was shortened meanwhile may meet a message that has had more attempts than it lists.
      return policy.delaysMs[attempt - 1] ?? policy.delaysMs.at(-1) ?? 0;
  }
}
