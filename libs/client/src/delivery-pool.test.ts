import { GroupMode, type RawDelivery } from '@hermes/contracts';
import { Held } from './delivery.js';
import { DeliveryPool } from './delivery-pool.js';

describe('a DeliveryPool to which another owner delivers anew what it holds', () => {
  let pool: DeliveryPool;

  /** Delivers these offsets of one lane. */
  const deliver = (...offsets: number[]): Held[] =>
    offsets.map((offset) => {
      const held = new Held({ partition: 0, lane: 1, offset } as RawDelivery, 0);
      pool.add(held);
      return held;
    });
  /** Hands out the next one, to a handler. */
  const handOut = (): Held | undefined => {
    const [held] = pool.next(1);
    if (held !== undefined) {
      held.isHandled = true;
    }
    return held;
  };
  const start = (mode: GroupMode): void => {
    pool = new DeliveryPool();
    pool.mode = mode;
  };

  it('gives an EXCLUSIVE lane on in its order, whatever becomes of what was being handled', () => {
    start(GroupMode.EXCLUSIVE);
    const [first] = deliver(49, 50, 51);
    expect(handOut()).toBe(first);
    const again = deliver(49, 50);
    expect([first?.state, first?.signal.aborted, handOut()]).toEqual(['lost', true, undefined]);
    // It failed for the former owner alone: what the new one has delivered is not void.
    pool.decided(first!, true);
    pool.finished(first!);
    for (const held of again) {
      expect(handOut()).toBe(held);
      pool.decided(held, false);
      pool.finished(held);
    }
    // Of the former owner, and comes anew.
    expect(handOut()).toBeUndefined();
    const [last] = deliver(51);
    expect(handOut()).toBe(last);
  });

  it.each([GroupMode.KEY_ORDERED, GroupMode.SHARED])('handles no message twice at a time (mode %s)', (mode) => {
    start(mode);
    const [first, second] = deliver(1, 2);
    expect(handOut()).toBe(first);
    const [again] = deliver(1);
    expect([handOut(), handOut()]).toEqual([second, undefined]);
    pool.decided(first!, false);
    expect(handOut()).toBe(again);
    expect(new Set(pool)).toEqual(new Set([second, again]));
  });
});
