import { FakeClock } from '@hermes/testing';

import { StoreTime } from './store-time.js';

describe('StoreTime', () => {
  it('is the server’s, advanced by the monotonic clock whatever wall time does', () => {
    const clock = new FakeClock({ monotonicMs: 500 });
    const time = new StoreTime(clock);
    time.observe(1_000_000, 500);
    clock.advance(250);
    clock.setWall(0);
    expect(time.nowMs()).toBe(1_000_250);
  });

  it('takes half of the way to the server and back for the answer', () => {
    const clock = new FakeClock({ monotonicMs: 500 });
    const time = new StoreTime(clock);
    clock.advance(100);
    time.observe(1_000_000, 500);
    expect(time.nowMs()).toBe(1_000_050);
  });

  it('never goes back when the server’s clock is set back', () => {
    const clock = new FakeClock({ monotonicMs: 500 });
    const time = new StoreTime(clock);
    time.observe(1_000_000, 500);
    clock.advance(100);
    time.observe(900_000, 600);
    expect(time.nowMs()).toBe(1_000_100);
    clock.advance(10);
    expect(time.nowMs()).toBe(1_000_110);
  });
});
