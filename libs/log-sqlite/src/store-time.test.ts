import { FakeClock } from '@hermes/testing';

import { StoreTime } from './store-time.js';

const HOUR_MS = 3_600_000;
const START_MS = 1_000_000_000;

describe('StoreTime', () => {
  const clock = () => new FakeClock({ wallMs: START_MS, monotonicMs: 50 });

  it('begins at wall time, or at what it must not be below, and goes on with the monotonic clock', () => {
    const hands = clock();
    const [time, later] = [new StoreTime(hands), new StoreTime(hands, START_MS + 500)];
    expect([time.nowMs(), later.nowMs()]).toEqual([START_MS, START_MS + 500]);
    hands.advance(25_000);
    expect([time.nowMs(), later.nowMs()]).toEqual([START_MS + 25_000, START_MS + 25_500]);
  });

  it('follows a step forward within ten seconds', () => {
    const hands = clock();
    const time = new StoreTime(hands);
    time.nowMs();
    hands.setWall(START_MS + HOUR_MS);
    hands.advance(9_999);
    expect(time.nowMs()).toBe(START_MS + 9_999);
    hands.advance(1);
    expect(time.nowMs()).toBe(START_MS + HOUR_MS + 10_000);
  });

  it('goes on from where it was after a step back', () => {
    const hands = clock();
    const time = new StoreTime(hands);
    time.nowMs();
    hands.setWall(START_MS - HOUR_MS);
    for (let seconds = 1; seconds <= 30; seconds += 1) {
      hands.advance(1_000);
      expect(time.nowMs()).toBe(START_MS + seconds * 1_000);
    }
  });
});
