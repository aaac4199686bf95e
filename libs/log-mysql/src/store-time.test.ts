import { FakeClock } from '@hermes/testing';

import { StoreTime } from './store-time.js';

describe('StoreTime', () => {
  let clock: FakeClock;
  let time: StoreTime;

  beforeEach(() => {
    clock = new FakeClock({ monotonicMs: 500 });
    time = new StoreTime(clock);
    time.observe(1_000_000, 500);
  });

  /** The server shows `serverMs` to a question that was asked `ms` ago. */
  const answered = (serverMs: number, ms: number): void => {
    time.observe(serverMs, clock.monotonicMs() - ms);
  };

  it('is the server’s, advanced by the monotonic clock whatever wall time does', () => {
    clock.advance(250);
    clock.setWall(0);
    expect(time.nowMs()).toBe(1_000_250);
  });

  it('is not ahead of the server, however long an answer takes', () => {
    const fresh = new StoreTime(clock);
    clock.advance(2_000);
    // The server may have looked at its clock at the beginning or at the end of that time.
    fresh.observe(1_002_000, clock.monotonicMs() - 2_000);
    expect(fresh.nowMs()).toBe(1_002_000);
    answered(1_002_000, 2_000);
    expect(time.nowMs()).toBe(1_002_000);
    answered(1_000_000, 2_000);
    expect(time.nowMs()).toBe(1_002_000);
  });

  it('comes up at once to a server that is ahead', () => {
    clock.advance(100);
    answered(1_000_150, 10);
    expect(time.nowMs()).toBe(1_000_150);
  });

  it('stands until a server has come up that its own clock has overtaken', () => {
    clock.advance(1_000);
    expect(time.nowMs()).toBe(1_001_000);
    answered(1_000_900, 10);
    expect(time.nowMs()).toBe(1_001_000);
    clock.advance(90);
    expect(time.nowMs()).toBe(1_001_000);
    clock.advance(10);
    expect(time.nowMs()).toBe(1_001_010);
  });

  it('goes on when the server’s clock is set back', () => {
    clock.advance(100);
    answered(900_000, 0);
    expect(time.nowMs()).toBe(1_000_100);
    clock.advance(10);
    expect(time.nowMs()).toBe(1_000_110);
  });
});
