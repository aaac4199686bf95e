import { subscriptionOf } from '../test/entries.js';
import { Turns } from './turns.js';

/** Who gets each of so many messages. */
const give = (turns: Turns, count: number): number[] =>
  Array.from({ length: count }, () => {
    const subscription = turns.next(10);
    subscription?.credit.take(10);
    return subscription?.id ?? 0;
  });

describe('Turns', () => {
  it('shares evenly between subscriptions that take all', () => {
    const turns = new Turns();
    [1, 2, 3].forEach((id) => {
      turns.add(subscriptionOf(id));
    });
    const given = give(turns, 960);
    expect([1, 2, 3].map((id) => given.filter((each) => each === id).length)).toEqual([320, 320, 320]);
  });

  it('passes over one without credit, one that is not admitted and one whose socket is full', () => {
    const turns = new Turns();
    const [spent, full, barred, open] = [subscriptionOf(1, 2), subscriptionOf(2), subscriptionOf(3), subscriptionOf(4)];
    [spent, full, barred, open].forEach((subscription) => {
      turns.add(subscription);
    });
    full.writable = false;
    barred.admitted = false;
    const given = give(turns, 50);
    expect(given.filter((id) => id === 1)).toHaveLength(2);
    expect(given.filter((id) => id === 4)).toHaveLength(48);
  });

  it('gives nothing to nobody, and goes on once somebody comes', () => {
    const turns = new Turns();
    expect(turns.next(10)).toBeUndefined();
    turns.add(subscriptionOf(7));
    expect(turns.next(10)?.id).toBe(7);
    expect(turns.remove(7)?.id).toBe(7);
    expect([turns.remove(7), turns.isEmpty, turns.next(10)]).toEqual([undefined, true, undefined]);
  });
});
