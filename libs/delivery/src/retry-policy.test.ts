import { retryDelayMs } from './retry-policy.js';

const POLICY = { initialMs: 1_000, maxMs: 10_000, multiplier: 3, jitter: 0.5, maxAttempts: 100 };

describe('retryDelayMs', () => {
  it('grows by the multiplier up to its maximum', () => {
    const waits = [1, 2, 3, 4, 99].map((attempt) => retryDelayMs(POLICY, attempt, { next: () => 0 }));
    expect(waits).toEqual([1_000, 3_000, 9_000, 10_000, 10_000]);
  });

  it('is never shorter than the policy says, and longer by at most the jitter', () => {
    expect(retryDelayMs(POLICY, 1, { next: () => 0.5 })).toBe(1_250);
    expect(retryDelayMs(POLICY, 1, { next: () => 0.999_999 })).toBe(1_500);
  });
});
