import type { Random } from '@hermes/runtime';

/** When a failed message comes again, and how often. */
export interface RetryPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Growth per attempt, at least 1. */
  readonly multiplier: number;
  /** Share of the wait that is random, 0 to 1. */
  readonly jitter: number;
  /** All deliveries, the first included. */
  readonly maxAttempts: number;
}

/**
 * Wait after attempt `attempt` failed: initial × multiplier^(attempt − 1), at most max, and then up to `jitter` of it
 * longer, so that a wait is never shorter than the policy says. Drawn once, when the failure is decided.
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: Random): number {
  const base = Math.min(policy.maxMs, policy.initialMs * policy.multiplier ** (attempt - 1));
  return Math.ceil(base * (1 + policy.jitter * random.next()));
}
