import { entryAt, inFlight, subscriptionOf } from '../test/entries.js';
import { Deadlines } from './deadlines.js';
import { type Entry, ENTRY_STATE } from './entry.js';
import type { Subscription } from './subscription.js';

function deliver(deadlines: Deadlines, subscription: Subscription, offset: number, deadlineMs: number): Entry {
  const entry = inFlight(entryAt(offset));
  entry.deliveryNo = offset + 1;
  entry.subscription = subscription;
  deadlines.start(entry, subscription, deadlineMs);
  return entry;
}

/** Offsets that expire until `nowMs`, in order. */
function expire(deadlines: Deadlines, subscriptions: readonly Subscription[], nowMs: number): number[] {
  const offsets: number[] = [];
  for (;;) {
    const entry = deadlines.nextExpired(subscriptions, nowMs);
    if (entry === undefined) {
      return offsets;
    }
    entry.heldIn?.remove(entry);
    entry.state = ENTRY_STATE.settling;
    offsets.push(entry.offset);
  }
}

describe('Deadlines', () => {
  it('expires the earliest first, over all subscriptions', () => {
    const [deadlines, one, two] = [new Deadlines(), subscriptionOf(1), subscriptionOf(2)];
    deliver(deadlines, one, 0, 100);
    deliver(deadlines, two, 1, 50);
    deliver(deadlines, one, 2, 120);
    expect(deadlines.earliestMs([one, two])).toBe(50);
    expect(expire(deadlines, [one, two], 49)).toEqual([]);
    expect(expire(deadlines, [one, two], 110)).toEqual([1, 0]);
    expect(deadlines.earliestMs([one, two])).toBe(120);
  });

  it('counts only the last extension, longer or shorter', () => {
    const [deadlines, one] = [new Deadlines(), subscriptionOf(1)];
    const entry = deliver(deadlines, one, 0, 100);
    deadlines.extend(entry, 500);
    deadlines.extend(entry, 30);
    deadlines.extend(entry, 200);
    expect([deadlines.earliestMs([one]), one.held]).toEqual([200, 1]);
    expect([expire(deadlines, [one], 199), expire(deadlines, [one], 200)]).toEqual([[], [0]]);
  });

  it('forgets the extension of a delivery that was settled or superseded', () => {
    const [deadlines, one] = [new Deadlines(), subscriptionOf(1)];
    const entry = deliver(deadlines, one, 0, 100);
    deadlines.extend(entry, 200);
    entry.heldIn?.remove(entry);
    entry.deliveryNo = 99;
    deadlines.start(entry, one, 900);
    expect(deadlines.earliestMs([one])).toBe(900);
  });

  it('expires a delivery with a shorter time to settle before an older one with a longer', () => {
    const [deadlines, one] = [new Deadlines(), subscriptionOf(1)];
    deliver(deadlines, one, 0, 1_000);
    deliver(deadlines, one, 1, 100);
    expect(expire(deadlines, [one], 100)).toEqual([1]);
  });

  it('keeps no more superseded extensions than live ones, beyond a small number', () => {
    const [deadlines, one] = [new Deadlines(), subscriptionOf(1)];
    const entry = deliver(deadlines, one, 0, 100);
    for (let time = 0; time < 100_000; time += 1) {
      deadlines.extend(entry, 1_000 + time);
    }
    expect(deadlines.earliestMs([one])).toBe(1_000 + 99_999);
    expect(deadlines.extensionCount).toBeLessThan(2_048);
  });
});
