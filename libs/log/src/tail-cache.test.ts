import fc from 'fast-check';

import { blockAt, isFaithful, offsetsOf } from '../test/blocks.js';
import { TailCache } from './tail-cache.js';
import type { TailLane } from './tail-lane.js';

const ALL = { maxRecords: 1_000, maxBytes: 1024 * 1024 };
const LARGE = 100_000;

/** Every offset from `from` on that is cached, reading on at each nextOffset until a miss. */
function readOn(lane: TailLane, from: number): number[] {
  const offsets: number[] = [];
  for (let next = from; ;) {
    const block = lane.read(next, ALL);
    if (block === undefined) {
      return offsets;
    }
    expect(isFaithful(block)).toBe(true);
    offsets.push(...block.columns.offsets);
    next = block.nextOffset;
  }
}

describe('TailCache', () => {
  it('has nothing in an empty lane', () => {
    const lane = new TailCache(LARGE).openLane();
    expect(lane.read(0, ALL)).toBeUndefined();
    expect([lane.firstOffset, lane.nextOffset]).toEqual([undefined, undefined]);
  });

  it('reads from any cached offset within the bounds', () => {
    const lane = new TailCache(LARGE).openLane();
    lane.append(blockAt(10, 5));
    expect(offsetsOf(lane.read(12, ALL))).toEqual([12, 13, 14]);
    expect(offsetsOf(lane.read(10, { maxRecords: 2, maxBytes: 1_000 }))).toEqual([10, 11]);
    expect(offsetsOf(lane.read(10, { maxRecords: 9, maxBytes: 30 }))).toEqual([10, 11, 12]);
    expect(offsetsOf(lane.read(10, { maxRecords: 9, maxBytes: 1 }))).toEqual([10]);
    expect(lane.read(9, ALL)).toBeUndefined();
    expect(lane.read(15, ALL)).toBeUndefined();
  });

  it('stops at one gap and goes on behind it', () => {
    const lane = new TailCache(LARGE).openLane();
    lane.append(blockAt(0, 3));
    lane.append(blockAt(5, 3));
    expect(readOn(lane, 0)).toEqual([0, 1, 2]);
    expect(lane.read(4, ALL)).toBeUndefined();
    expect(readOn(lane, 5)).toEqual([5, 6, 7]);
  });

  it('keeps two gaps apart', () => {
    const lane = new TailCache(LARGE).openLane();
    [0, 4, 9].forEach((from) => {
      lane.append(blockAt(from, 2));
    });
    expect([0, 2, 4, 6, 9].map((from) => readOn(lane, from))).toEqual([[0, 1], [], [4, 5], [], [9, 10]]);
  });

  it('takes a large gap without cost', () => {
    const cache = new TailCache(LARGE);
    const lane = cache.openLane();
    lane.append(blockAt(0, 2));
    lane.append(blockAt(2 ** 50, 2));
    expect(readOn(lane, 2 ** 50)).toEqual([2 ** 50, 2 ** 50 + 1]);
    expect(cache.bytes).toBeLessThan(5_000);
  });

  it('refuses a block that overlaps what it has', () => {
    const lane = new TailCache(LARGE).openLane();
    lane.append(blockAt(0, 3));
    expect(() => {
      lane.append(blockAt(2, 1));
    }).toThrow('overlaps');
  });

  it('evicts what a slow group still reads, which then misses, while its old views stay good', () => {
    const cache = new TailCache(20_000);
    const lane = cache.openLane();
    lane.append(blockAt(0, 1, 5_000));
    const view = lane.read(0, ALL)!;
    for (let from = 1; from < 20; from += 1) {
      lane.append(blockAt(from, 1, 5_000));
    }
    expect(cache.bytes).toBeLessThanOrEqual(20_000);
    expect(lane.read(0, ALL)).toBeUndefined();
    expect(isFaithful(view)).toBe(true);
    expect(readOn(lane, lane.firstOffset!).at(-1)).toBe(19);
    expect(cache.counters).toMatchObject({ evictedBlocks: expect.any(Number) as number, misses: 2 });
  });

  it('evicts the oldest block of all lanes first', () => {
    const cache = new TailCache(26_000);
    const [idle, busy] = [cache.openLane(), cache.openLane()];
    busy.append(blockAt(0, 1, 10_000));
    idle.append(blockAt(0, 1, 10_000));
    busy.append(blockAt(1, 1, 10_000));
    expect([busy.firstOffset, idle.firstOffset]).toEqual([1, 0]);
    busy.append(blockAt(2, 1, 10_000));
    expect([busy.firstOffset, idle.firstOffset]).toEqual([1, undefined]);
  });

  it('shrinks and grows within its bound', () => {
    const cache = new TailCache(LARGE);
    const lane = cache.openLane();
    for (let from = 0; from < 10; from += 1) {
      lane.append(blockAt(from, 1, 8_000));
    }
    expect(lane.firstOffset).toBe(0);
    cache.resize(30_000);
    expect(cache.bytes).toBeLessThanOrEqual(30_000);
    expect(readOn(lane, lane.firstOffset!).at(-1)).toBe(9);
    cache.resize(LARGE);
    const first = lane.firstOffset!;
    lane.append(blockAt(10, 1, 8_000));
    expect(lane.firstOffset).toBe(first);
    cache.resize(0);
    expect([cache.bytes, lane.firstOffset]).toEqual([0, undefined]);
  });

  it('does not keep a block that is larger than its bound', () => {
    const cache = new TailCache(5_000);
    const lane = cache.openLane();
    lane.append(blockAt(0, 1, 9_000));
    expect([cache.bytes, lane.read(0, ALL)]).toEqual([0, undefined]);
    lane.append(blockAt(1, 1, 100));
    expect(readOn(lane, 1)).toEqual([1]);
  });

  it('merges single records into few blocks', () => {
    const cache = new TailCache(1024 * 1024);
    const lane = cache.openLane();
    for (let from = 0; from < 1_000; from += 1) {
      lane.append(blockAt(from, 1, 20));
    }
    expect(readOn(lane, 0)).toHaveLength(1_000);
    expect(cache.bytes).toBeLessThan(1_000 * 200);
  });

  it('gives a closed lane’s bytes back', () => {
    const cache = new TailCache(LARGE);
    const [closed, other] = [cache.openLane(), cache.openLane()];
    closed.append(blockAt(0, 10));
    other.append(blockAt(0, 1));
    closed.close();
    expect(closed.read(0, ALL)).toBeUndefined();
    expect(readOn(other, 0)).toEqual([0]);
    other.close();
    expect(cache.bytes).toBe(0);
  });

  it('always holds a contiguous-or-gapped suffix of what was appended, within its bound', () => {
    const step = fc.record({
      lane: fc.nat(2),
      gap: fc.constantFrom(0, 0, 0, 1, 7),
      count: fc.integer({ min: 1, max: 5 }),
      bytes: fc.constantFrom(5, 300, 4_000),
      resize: fc.option(fc.integer({ min: 0, max: 60_000 }), { freq: 10 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const cache = new TailCache(30_000);
        const lanes = [0, 1, 2].map(() => ({ lane: cache.openLane(), appended: [] as number[], next: 0 }));
        for (const { lane: index, gap, count, bytes, resize } of steps) {
          const target = lanes[index]!;
          if (resize !== null) {
            cache.resize(resize);
          }
          const from = target.next + gap;
          target.lane.append(blockAt(from, count, bytes));
          target.next = from + count;
          target.appended.push(...Array.from({ length: count }, (_, each) => from + each));
          expect(cache.bytes).toBeLessThanOrEqual(cache.bytesMax);
        }
        for (const { lane, appended } of lanes) {
          const cached = appended.filter((offset) => lane.read(offset, ALL) !== undefined);
          expect(cached).toEqual(cached.length === 0 ? [] : appended.slice(-cached.length));
        }
      }),
      { numRuns: 150 },
    );
  });
});
