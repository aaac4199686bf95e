import { systemRandom } from '@hermes/runtime';
import { FakeClock, FakeTimers } from '@hermes/testing';
import { Budget } from './budget.js';
import { type Environment } from './environment.js';

describe('Budget', () => {
  const clock = new FakeClock();
  const timers = new FakeTimers(clock);
  const environment: Environment = { clock, timers, random: systemRandom };
  const within = (ms: number, signal?: AbortSignal): { deadlineAtMs: number; signal?: AbortSignal } => ({
    deadlineAtMs: clock.monotonicMs() + ms,
    ...(signal === undefined ? {} : { signal }),
  });

  it('gives what there is, and one taker of any size an empty budget', () => {
    const budget = new Budget(10);
    expect(budget.tryTake(50)).toBe(true);
    expect(budget.tryTake(1)).toBe(false);
    budget.give(50);
    expect(budget.tryTake(6)).toBe(true);
    expect(budget.tryTake(5)).toBe(false);
    expect(budget.used).toBe(6);
  });

  it('serves those who wait in their order, and nobody before them', async () => {
    const budget = new Budget(10);
    budget.tryTake(10);
    const served: string[] = [];
    const first = budget.take(8, within(1_000), environment).then(() => served.push('first'));
    const second = budget.take(1, within(1_000), environment).then(() => served.push('second'));
    budget.give(4);
    expect(budget.tryTake(1)).toBe(false);
    budget.give(6);
    await Promise.all([first, second]);
    expect(served).toEqual(['first', 'second']);
    expect(budget.used).toBe(9);
  });

  it('tells BACKPRESSURE at the deadline and at the signal, and then holds nothing', async () => {
    const budget = new Budget(10);
    budget.tryTake(10);
    const late = budget.take(1, within(100), environment);
    timers.advance(100);
    await expect(late).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    const abort = new AbortController();
    const given = budget.take(1, within(100, abort.signal), environment);
    abort.abort();
    await expect(given).rejects.toMatchObject({ code: 'BACKPRESSURE' });
    budget.give(10);
    expect(budget.used).toBe(0);
  });

  it('keeps the bound of its parent, and is served when another child gives back', async () => {
    const parent = new Budget(10);
    const [left, right] = [new Budget(10, parent), new Budget(10, parent)];
    left.tryTake(9);
    const waiting = right.take(5, within(1_000), environment);
    expect(parent.used).toBe(9);
    left.give(9);
    await waiting;
    expect([left.used, right.used, parent.used]).toEqual([0, 5, 5]);
  });
});
