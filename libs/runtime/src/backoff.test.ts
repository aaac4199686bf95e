import { Backoff, backoffDelayMs } from './backoff.js';

const middle = { next: (): number => 0.5 };

describe('backoffDelayMs', () => {
  it('grows by the multiplier up to the bound', () => {
    const options = { initialMs: 100, maxMs: 1000 };
    expect([1, 2, 3, 4, 5, 50].map((attempt) => backoffDelayMs(options, attempt, middle))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
  });

  it('spreads by the jitter, symmetrically', () => {
    const options = { initialMs: 100, maxMs: 100, jitter: 0.2 };
    expect(backoffDelayMs(options, 1, { next: () => 0 })).toBeCloseTo(80);
    expect(backoffDelayMs(options, 1, { next: () => 0.999999 })).toBeCloseTo(120, 2);
  });
});

describe('Backoff', () => {
  it('starts over after a reset', () => {
    const backoff = new Backoff({ initialMs: 10, maxMs: 1000, jitter: 0 }, middle);
    expect([backoff.nextDelayMs(), backoff.nextDelayMs()]).toEqual([10, 20]);
    backoff.reset();
    expect(backoff.nextDelayMs()).toBe(10);
  });
});
