import fc from 'fast-check';

import { assign, type AssignHolder, type AssignItem } from './assign.js';
import { placeInDirectory } from './place.js';

const holder = (name: string, more: Partial<AssignHolder> = {}): AssignHolder => ({
  name,
  group: '',
  zone: '',
  host: name,
  weight: 1,
  itemsMax: Number.POSITIVE_INFINITY,
  dataDirectory: '',
  accepting: true,
  ...more,
});
const item = (topic: string, partition: number, held = '', more: Partial<AssignItem> = {}): AssignItem => ({
  topic,
  partition,
  group: '',
  dataDirectory: '',
  holder: held,
  ...more,
});
const items = (topic: string, holders: readonly string[]): AssignItem[] =>
  holders.map((name, i) => item(topic, i, name));

function counts(names: readonly (string | undefined)[], of: readonly string[]): number[] {
  return of.map((name) => names.filter((other) => other === name).length);
}
const moves = (before: readonly AssignItem[], after: readonly (string | undefined)[]): number =>
  before.filter((one, i) => one.holder !== '' && one.holder !== after[i]).length;

/** Moves that no assignment with balanced totals can do without. */
function movesNeeded(total: number, sizes: readonly number[]): number {
  const [low, high] = [Math.floor(total / sizes.length), Math.ceil(total / sizes.length)];
  const above = sizes.reduce((sum, size) => sum + Math.max(0, size - high), 0);
  const below = sizes.reduce((sum, size) => sum + Math.max(0, low - size), 0);
  return Math.max(above, below);
}

describe('assign', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const world = fc.record({
    holders: fc.subarray(names, { minLength: 1 }),
    held: fc.array(fc.record({ topic: fc.constantFrom('t', 'u', 'v'), holder: fc.constantFrom('', ...names) }), {
      maxLength: 40,
    }),
  });
  const itemsOf = (held: readonly { topic: string; holder: string }[]): AssignItem[] =>
    held.map(({ topic, holder: name }, i) => item(topic, i, name));

  it('gives what is pinned to whom it is pinned, and spreads the rest as evenly as that lets it', () => {
    fc.assert(
      fc.property(world, fc.constantFrom(...names), fc.nat(10), ({ holders, held }, pinnedTo, pinned) => {
        const all = itemsOf(held).map((one, i) => (i < pinned ? { ...one, pinnedTo } : one));
        const result = assign(
          holders.map((name) => holder(name)),
          all,
        );
        expect(result).not.toContain(undefined);
        const isThere = holders.includes(pinnedTo);
        expect(result.slice(0, pinned).every((name) => !isThere || name === pinnedTo)).toBe(true);
        const others = counts(
          result,
          holders.filter((name) => name !== pinnedTo),
        );
        expect(Math.max(0, ...others) - Math.min(Number.POSITIVE_INFINITY, ...others)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('makes room for what is pinned, and pins no more than there is room', () => {
    const bounded = [holder('a', { itemsMax: 2 }), holder('b')];
    const pinned = [0, 1, 2].map((partition) => item('t', partition, 'b', { pinnedTo: 'a' }));
    expect(assign(bounded, [item('s', 0, 'a'), item('s', 1, 'a'), ...pinned])).toEqual(['b', 'b', 'a', 'a', 'b']);
  });

  it('assigns every partition, spread evenly in total and per topic', () => {
    fc.assert(
      fc.property(world, ({ holders, held }) => {
        const all = itemsOf(held);
        const result = assign(
          holders.map((name) => holder(name)),
          all,
        );
        expect(result).not.toContain(undefined);
        for (const topic of ['', 't', 'u', 'v']) {
          const sizes = counts(
            result.filter((_, i) => topic === '' || all[i]!.topic === topic),
            holders,
          );
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('gives the same answer for the same input in any order, and leaves its own answer alone', () => {
    fc.assert(
      fc.property(world, ({ holders, held }) => {
        const all = itemsOf(held);
        const given = holders.map((name) => holder(name));
        const result = assign(given, all);
        expect(assign([...given].reverse(), [...all].reverse())).toEqual([...result].reverse());
        const settled = all.map((one, i) => ({ ...one, holder: result[i]! }));
        expect(assign(given, settled)).toEqual(result);
      }),
    );
  });

  it('moves no more than the balance of one topic needs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 5 }), (sizes) => {
        const all = items(
          't',
          sizes.flatMap((size, i) => Array.from({ length: size }, () => names[i]!)),
        );
        const result = assign(
          names.slice(0, sizes.length).map((name) => holder(name)),
          all,
        );
        expect(moves(all, result)).toBe(movesNeeded(all.length, sizes));
      }),
    );
  });

  it('deals only free partitions when loads are level', () => {
    const all = items('t', ['a', '', 'b', '']);
    expect(assign([holder('a'), holder('b')], all)).toEqual(['a', 'a', 'b', 'b']);
  });

  it('relieves an overloaded broker and fills an underloaded one', () => {
    const all = items('t', ['a', 'a', 'a', 'a', 'b']);
    const result = assign([holder('a'), holder('b'), holder('c')], all);
    expect(counts(result, ['a', 'b', 'c'])).toEqual([2, 1, 2]);
    expect(moves(all, result)).toBe(2);
  });

  it('leaves a remainder where it is', () => {
    const all = items('t', ['a', 'b', 'b']);
    expect(assign([holder('a'), holder('b')], all)).toEqual(['a', 'b', 'b']);
  });

  it('leaves brokers idle when there are more of them than partitions', () => {
    expect(
      counts(
        assign(
          names.map((name) => holder(name)),
          items('t', ['', '']),
        ),
        names,
      ),
    ).toEqual([1, 1, 0, 0, 0]);
  });

  it.each([
    ['one up', ['a', 'b', 'c'], 2],
    ['several up', ['a', 'b', 'c', 'd'], 4],
    ['one down', ['a'], 4],
    ['up and down at once', ['a', 'c'], 4],
  ])('%s: moves what it must and no more', (_, live, moved) => {
    const all = items('t', ['a', 'a', 'a', 'a', 'b', 'b', 'b', 'b']);
    const result = assign(
      live.map((name) => holder(name)),
      all,
    );
    const sizes = counts(result, live);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    expect(moves(all, result)).toBe(moved);
  });

  it('leaves other topics alone when one is added and when one is removed', () => {
    const first = items('t', ['a', 'b', 'a', 'b']);
    const added = assign([holder('a'), holder('b')], [...first, ...items('u', ['', ''])]);
    expect(added.slice(0, 4)).toEqual(['a', 'b', 'a', 'b']);
    expect(counts(added.slice(4), ['a', 'b'])).toEqual([1, 1]);
    expect(assign([holder('a'), holder('b')], first)).toEqual(['a', 'b', 'a', 'b']);
  });

  it('keeps to groups, capacity and drains', () => {
    const given = [holder('a', { itemsMax: 1 }), holder('b', { group: 'ssd' }), holder('c', { accepting: false })];
    const all = [item('t', 0, 'c'), item('t', 1), item('t', 2, '', { group: 'ssd' })];
    expect(assign(given, all)).toEqual(['a', undefined, 'b']);
  });

  it('gives an embedded partition to the broker of its directory alone, drained or not', () => {
    const given = [holder('a', { dataDirectory: 'x', accepting: false, itemsMax: 0 }), holder('b')];
    const all = [item('t', 0, 'b', { dataDirectory: 'x' }), item('t', 1, 'b', { dataDirectory: 'gone' })];
    expect(assign(given, all)).toEqual(['a', undefined]);
  });

  it('spreads a topic over hosts where counts are equal', () => {
    const given = [holder('a', { host: 'h1' }), holder('b', { host: 'h1' }), holder('c', { host: 'h2' })];
    expect(assign(given, items('t', ['', '']))).toEqual(['a', 'c']);
  });

  it('spreads a topic over zones before hosts', () => {
    const given = [
      holder('a', { zone: 'z1', host: 'h1' }),
      holder('b', { zone: 'z1', host: 'h2' }),
      holder('c', { zone: 'z2', host: 'h3' }),
    ];
    expect(assign(given, items('t', ['', '']))).toEqual(['a', 'c']);
  });
});

describe('placeInDirectory', () => {
  const directory = (dataDirectory: string, topics: Record<string, number>, accepting = true, brokerGroup = '') => ({
    dataDirectory,
    brokerGroup,
    zone: '',
    host: dataDirectory,
    weight: 1,
    topics: new Map(Object.entries(topics)),
    partitions: Object.values(topics).reduce((a, b) => a + b, 0),
    partitionsMax: 100,
    accepting,
  });

  it('prefers the directory with fewest of the topic, then fewest in all', () => {
    expect(placeInDirectory([directory('x', { t: 1 }), directory('y', { u: 5 })], 't', '')).toBe('y');
    expect(placeInDirectory([directory('x', { u: 6 }), directory('y', { u: 5 })], 't', '')).toBe('y');
  });

  it('where these are equal, the zone and then the host with fewest of the topic', () => {
    const at = (name: string, zone: string, host: string, topics = {}) => ({ ...directory(name, topics), zone, host });
    const full = at('w', 'z1', 'h1', { t: 1 });
    expect(placeInDirectory([full, at('x', 'z1', 'h2'), at('y', 'z2', 'h1')], 't', '')).toBe('y');
    expect(placeInDirectory([full, at('x', 'z1', 'h1'), at('y', 'z1', 'h2')], 't', '')).toBe('y');
  });

  it('places nothing on drained brokers, in other groups, or beyond capacity', () => {
    expect(placeInDirectory([directory('x', {}, false), directory('y', {}, true, 'ssd')], 't', '')).toBeUndefined();
    expect(placeInDirectory([{ ...directory('x', { u: 100 }) }], 't', '')).toBeUndefined();
  });
});
