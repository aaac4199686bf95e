import { eventually } from './eventually.js';
import { FakeClock } from './fake-clock.js';
import { FakeTimers } from './fake-timers.js';
import { freePort } from './free-port.js';

describe('FakeTimers', () => {
  it('fires in the order due, with the clock at the due time, timers set by callbacks included', () => {
    const clock = new FakeClock({ monotonicMs: 100 });
    const timers = new FakeTimers(clock);
    const seen: [string, number][] = [];
    const note = (name: string) => () => {
      seen.push([name, clock.monotonicMs()]);
    };
    timers.after(20, note('b'));
    timers.after(10, () => {
      note('a')();
      timers.after(5, note('nested'));
    });
    timers.after(15, note('cancelled'))();
    timers.advance(30);
    expect(seen).toEqual([
      ['a', 110],
      ['nested', 115],
      ['b', 120],
    ]);
    expect([clock.monotonicMs(), timers.size]).toEqual([130, 0]);
  });

  it('sets wall time apart from monotonic time, which cannot go back', () => {
    const clock = new FakeClock({ wallMs: 50 });
    clock.setWall(7);
    clock.advance(3);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([10, 3]);
    expect(() => {
      clock.advance(-1);
    }).toThrow(RangeError);
  });
});

describe('eventually', () => {
  it('repeats until the check holds, and throws its last failure at the deadline', async () => {
    let calls = 0;
    expect(await eventually(() => ++calls >= 3 && calls, { intervalMs: 1 })).toBe(3);
    const never = (): void => {
      throw new Error('still not');
    };
    await expect(eventually(never, { deadlineMs: 5, intervalMs: 1 })).rejects.toThrow('still not');
  });
});

describe('freePort', () => {
  it('gives a usable port number', async () => {
    expect(await freePort()).toBeGreaterThan(1023);
  });
});
