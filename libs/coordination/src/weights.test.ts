import fc from 'fast-check';

import { broker, come, held, shared, start } from '../test/broker-events.js';
import { assign, type AssignHolder, type AssignItem } from './assign.js';
import { placeInDirectory } from './place.js';

const NAMES = ['a', 'b', 'c', 'd', 'e'] as const;
const holder = (name: string, weight: number, more: Partial<AssignHolder> = {}): AssignHolder => ({
  ...{ name, weight, group: '', zone: '', host: name, dataDirectory: '', accepting: true },
  itemsMax: Number.POSITIVE_INFINITY,
  ...more,
});
const item = (topic: string, partition: number, held = '', more: Partial<AssignItem> = {}): AssignItem => ({
  ...{ topic, partition, group: '', dataDirectory: '', holder: held },
  ...more,
});
const countOf = (result: readonly (string | undefined)[], name: string): number =>
  result.filter((other) => other === name).length;
/** By how much each holder of `holders` has more than its part of all that they have. */
function excesses(holders: readonly AssignHolder[], result: readonly (string | undefined)[]): number[] {
  const counts = holders.map(({ name }) => countOf(result, name));
  const total = counts.reduce((a, b) => a + b, 0);
  const weights = holders.reduce((sum, { weight }) => sum + weight, 0);
  return holders.map(({ weight }, i) => counts[i]! - (total * weight) / weights);
}
const most = (numbers: readonly number[]): number => Math.max(0, ...numbers.map(Math.abs));
const settled = (items: readonly AssignItem[], result: readonly (string | undefined)[]): AssignItem[] =>
  items.map((one, i) => ({ ...one, holder: result[i] ?? '' }));
const moves = (items: readonly AssignItem[], result: readonly (string | undefined)[]): number =>
  items.filter((one, i) => one.holder !== '' && one.holder !== result[i]).length;

const weight = fc.oneof(fc.constantFrom(0.1, 0.5, 1, 2, 3, 100), fc.double({ min: 0.1, max: 100, noNaN: true }));
const weights = (minLength: number, maxLength: number) => fc.array(weight, { minLength, maxLength });
const world = fc.record({
  holders: weights(1, 5).map((all) => all.map((one, i) => holder(NAMES[i]!, one))),
  items: fc
    .array(fc.record({ topic: fc.constantFrom('t', 'u', 'v'), name: fc.constantFrom('', ...NAMES) }), { maxLength: 40 })
    .map((all) => all.map(({ topic, name }, i) => item(topic, i, name))),
});

/** Moves that no assignment in balance can do without: tried out. */
function movesNeeded(sizes: readonly number[], shares: readonly number[]): number {
  const total = sizes.reduce((a, b) => a + b, 0);
  let least = Number.POSITIVE_INFINITY;
  const tryOut = (counts: readonly number[], left: number): void => {
    if (counts.length === sizes.length - 1) {
      const excess = [...counts, left].map((count, i) => count - shares[i]!);
      if (Math.max(...excess) - Math.min(...excess) <= 1 + 1e-6) {
        const given = sizes.reduce((sum, size, i) => sum + Math.max(0, size - ([...counts, left][i] ?? 0)), 0);
        least = Math.min(least, given);
      }
      return;
    }
    for (let count = 0; count <= left; count += 1) {
      tryOut([...counts, count], left - count);
    }
  };
  tryOut([], total);
  return least;
}

describe('weights', () => {
  it('everybody has its share to within one partition, wherever they were before', () => {
    fc.assert(
      fc.property(world, ({ holders, items }) => {
        expect(most(excesses(holders, assign(holders, items)))).toBeLessThan(1);
      }),
    );
  });

  it('every topic is spread by weight, too', () => {
    fc.assert(
      fc.property(world, ({ holders, items }) => {
        const result = assign(holders, items);
        for (const topic of ['t', 'u', 'v']) {
          const ofTopic = result.filter((_, i) => items[i]!.topic === topic);
          expect(most(excesses(holders, ofTopic))).toBeLessThan(2);
        }
      }),
    );
  });

  it('the same input in any order gives the same answer, and an answer given back is left alone', () => {
    fc.assert(
      fc.property(world, ({ holders, items }) => {
        const result = assign(holders, items);
        expect(assign([...holders].reverse(), [...items].reverse())).toEqual([...result].reverse());
        expect(assign(holders, settled(items, result))).toEqual(result);
      }),
    );
  });

  it('moves no more than the shares need: after a restart with another weight, or whatever came before', () => {
    const four = fc.tuple(weights(2, 4), fc.array(fc.nat(4), { minLength: 4, maxLength: 4 }));
    fc.assert(
      fc.property(four, ([given, sizes]) => {
        const holders = given.map((one, i) => holder(NAMES[i]!, one));
        const before = holders.map((_, i) => sizes[i]!);
        const items = before.flatMap((size, i) => Array.from({ length: size }, () => NAMES[i]!));
        const all = items.map((name, i) => item('t', i, name));
        const sum = given.reduce((a, b) => a + b, 0);
        const shares = given.map((one) => (all.length * one) / sum);
        expect(moves(all, assign(holders, all))).toBe(movesNeeded(before, shares));
      }),
    );
  });

  it('equal weights, whatever they are, are no weights', () => {
    fc.assert(
      fc.property(world, weight, ({ holders, items }, same) => {
        const of = (one: number): AssignHolder[] => holders.map((each) => ({ ...each, weight: one }));
        expect(assign(of(same), items)).toEqual(assign(of(1), items));
      }),
    );
  });

  it('hold within each broker group', () => {
    fc.assert(
      fc.property(world, fc.array(fc.boolean(), { minLength: 45, maxLength: 45 }), ({ holders, items }, isSsd) => {
        const group = (i: number): string => (isSsd[i] === true ? 'ssd' : '');
        const grouped = holders.map((one, i) => ({ ...one, group: group(i) }));
        const result = assign(
          grouped,
          items.map((one, i) => ({ ...one, group: group(i + 5) })),
        );
        for (const name of ['', 'ssd']) {
          const members = grouped.filter((one) => one.group === name);
          expect(most(excesses(members, result))).toBeLessThan(1);
        }
      }),
    );
  });

  it('stop at a capacity: the others share what is left by their weights', () => {
    fc.assert(
      fc.property(world, fc.nat(6), ({ holders, items }, itemsMax) => {
        const bounded = holders.map((one, i) => (i === 0 && holders.length > 1 ? { ...one, itemsMax } : one));
        const result = assign(bounded, items);
        expect(result).not.toContain(undefined);
        const [first, ...others] = bounded;
        const count = countOf(result, 'a');
        expect(count).toBeLessThanOrEqual(first!.itemsMax);
        const isFull = count === first!.itemsMax;
        expect(most(excesses(isFull ? others : bounded, result))).toBeLessThan(1);
      }),
    );
  });

  it('count what lives with a broker, and what is pinned to it, as part of its share', () => {
    const given = [holder('a', 2, { dataDirectory: 'x' }), holder('b', 1), holder('c', 1)];
    const lives = [0, 1].map((partition) => item('e', partition, 'a', { dataDirectory: 'x' }));
    const pinned = [0, 1, 2].map((partition) => item('p', partition, 'b', { pinnedTo: 'b' }));
    const free = [0, 1, 2].map((partition) => item('t', partition));
    const result = assign(given, [...lives, ...pinned, ...free]);
    expect(NAMES.slice(0, 3).map((name) => countOf(result, name))).toEqual([3, 3, 2]);
  });

  it('leave the spread over zones to those of equal weight', () => {
    const zones = [holder('a', 2, { zone: 'z1' }), holder('b', 1, { zone: 'z1' }), holder('c', 1, { zone: 'z2' })];
    expect(assign(zones, [item('t', 0), item('t', 1), item('t', 2)])).toEqual(['a', 'c', 'b']);
  });

  it('come with a process: one that restarts with another weight gets its new share, and nothing else moves', () => {
    const leases = start({ ...shared, partitions: 6 });
    leases.register(1, broker('a', 1), 0);
    come(leases, 2, broker('b', 2), 0);
    const owned = (): unknown[] => leases.brokers(0).map(({ partitions, lease }) => [partitions, lease?.weight]);
    expect(owned()).toEqual([
      [3, 1],
      [3, 1],
    ]);
    const names = leases.partitions().flatMap((one) => (one.broker === 'b' ? [held(one.partition, one.epoch)] : []));
    const effects = come(leases, 3, broker('b', 2, { weight: 2, held: names }), 100);
    const revoked = effects.filter((effect) => effect.kind === 'revoke');
    expect(revoked).toMatchObject([{ session: 1 }]);
    leases.released(1, revoked[0]!.assignment, 200);
    leases.tick(300);
    expect(owned()).toEqual([
      [2, 1],
      [4, 2],
    ]);
  });

  it('place partitions in directories, too', () => {
    const placed = new Map(['x', 'y', 'z'].map((name) => [name, 0]));
    for (let partition = 0; partition < 40; partition += 1) {
      const directories = [...placed].map(([name, count]) => ({
        ...{ dataDirectory: name, brokerGroup: '', zone: '', host: name, weight: name === 'x' ? 2 : 1 },
        ...{ topics: new Map([['t', count]]), partitions: count, partitionsMax: 100, accepting: true },
      }));
      const chosen = placeInDirectory(directories, 't', '')!;
      placed.set(chosen, placed.get(chosen)! + 1);
    }
    expect([...placed.values()]).toEqual([20, 10, 10]);
  });
});
