import fc from 'fast-check';

import { LaneRanges } from './lane-ranges.js';

const ROWS = 1_000;

describe('LaneRanges', () => {
  it('begins with the current range and two ahead', () => {
    expect(new LaneRanges(ROWS, []).toAdd(0)).toEqual([1_000, 2_000, 3_000]);
  });

  it('adds one when an offset enters the last but one', () => {
    const ranges = new LaneRanges(ROWS, [1_000, 2_000, 3_000]);
    expect([ranges.wantsMore(1_000), ranges.wantsMore(1_001)]).toEqual([false, true]);
    expect(ranges.toAdd(1_001)).toEqual([4_000]);
  });

  it('goes over a hole with one range', () => {
    expect(new LaneRanges(ROWS, [1_000, 2_000, 3_000]).toAdd(2 ** 40).length).toBeLessThanOrEqual(3);
  });

  it('lets go what lies wholly below the start, but never the last one', () => {
    const ranges = new LaneRanges(ROWS, [1_000, 2_000]);
    expect([ranges.below(999), ranges.below(1_000), ranges.below(5_000)]).toEqual([undefined, 1_000, 1_000]);
    ranges.dropLowest(1);
    expect([ranges.bounds, ranges.below(5_000)]).toEqual([[2_000], undefined]);
  });

  it('keeps fewer than 50 ranges over a hundred billion rows', () => {
    const ranges = new LaneRanges(1_000_000, []);
    for (let nextOffset = 0; nextOffset < 1e11; nextOffset = (ranges.bounds.at(-1) ?? 0) + 1) {
      ranges.add(ranges.toAdd(nextOffset));
    }
    expect(ranges.bounds.length).toBeLessThan(50);
  });

  it('always has room for the next offset and two ranges above it, at ascending bounds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000_000 }), { maxLength: 30 }), (steps) => {
        const ranges = new LaneRanges(ROWS, []);
        let nextOffset = 0;
        for (const step of steps) {
          nextOffset += step;
          ranges.add(ranges.toAdd(nextOffset));
          expect(ranges.bounds.filter((bound) => bound > nextOffset).length).toBeGreaterThanOrEqual(2);
          expect(ranges.wantsMore(nextOffset)).toBe(false);
        }
        expect(ranges.bounds).toEqual([...new Set(ranges.bounds)].sort((one, other) => one - other));
      }),
    );
  });
});
