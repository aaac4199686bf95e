import { type RetryPolicy, retryDelayMs } from './retry-policy.js';

const POLICY = {
  kind: 'exponential' as const,
  initialMs: 1_000,
  maxMs: 10_000,
  multiplier: 3,
  jitter: 0.5,
  maxAttempts: 100,
};

describe('retryDelayMs', () => {
  it('grows by the multiplier up to its maximum', () => {
    const waits = [1, 2, 3, 4, 99].map((attempt) => retryDelayMs(POLICY, attempt, { next: () => 0 }));
    expect(waits).toEqual([1_000, 3_000, 9_000, 10_000, 10_000]);
  });

  it('is never shorter than the policy says, and longer by at most the jitter', () => {
    expect(retryDelayMs(POLICY, 1, { next: () => 0.5 })).toBe(1_250);
    expect(retryDelayMs(POLICY, 1, { next: () => 0.999_999 })).toBe(1_500);
  });

  it('is the same each time, or what a list says', () => {
    const waits = (policy: RetryPolicy) => [1, 2, 3].map((attempt) => retryDelayMs(policy, attempt, { next: () => 1 }));
    expect(waits({ kind: 'fixed', delayMs: 700, maxAttempts: 9 })).toEqual([700, 700, 700]);
    expect(waits({ kind: 'list', delaysMs: [3_000, 60_000], maxAttempts: 3 })).toEqual([3_000, 60_000, 60_000]);
  });
});
