import fc from 'fast-check';

import { OffsetRanges } from './offset-ranges.js';

const span = fc.tuple(fc.nat(60), fc.nat(8)).map(([from, length]) => ({ from, to: from + length }));

/** Ranges of a set of settled offsets above its floor. */
function naive(settled: ReadonlySet<number>): { floor: number; ranges: { from: number; to: number }[] } {
  let floor = 0;
  while (settled.has(floor)) {
    floor += 1;
  }
  const ranges: { from: number; to: number }[] = [];
  for (const offset of [...settled].filter((each) => each > floor).sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.to === offset) {
      last.to += 1;
    } else {
      ranges.push({ from: offset, to: offset + 1 });
    }
  }
  return { floor, ranges };
}

describe('OffsetRanges', () => {
  it('is what a set of offsets is, after any settles in any order', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 40 }), (spans) => {
        const ranges = new OffsetRanges(0);
        const settled = new Set<number>();
        for (const { from, to } of spans) {
          ranges.addRange(from, to);
          for (let offset = from; offset < to; offset += 1) {
            settled.add(offset);
          }
          const expected = naive(settled);
          expect(ranges.floor).toBe(expected.floor);
          expect(ranges.ranges()).toEqual(expected.ranges);
          expect(ranges.rangeCount).toBe(expected.ranges.length);
          expect(ranges.settledAbove).toBe([...settled].filter((offset) => offset >= expected.floor).length);
          expect(ranges.end).toBe(expected.ranges.at(-1)?.to ?? expected.floor);
        }
        for (let offset = 0; offset < 80; offset += 1) {
          expect(ranges.has(offset)).toBe(settled.has(offset));
          const from = Math.max(offset, ranges.floor);
          const inNext = [...settled].filter((each) => each >= from && each < from + 9);
          expect(ranges.countIn(from, from + 9)).toBe(inNext.length);
        }
      }),
    );
  });

  it('is the same after it was stored and loaded', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 20 }), span, (spans, more) => {
        const ranges = new OffsetRanges(0);
        spans.forEach(({ from, to }) => {
          ranges.addRange(from, to);
        });
        const loaded = new OffsetRanges(ranges.floor, ranges.ranges());
        ranges.addRange(more.from, more.to);
        loaded.addRange(more.from, more.to);
        expect([loaded.floor, loaded.ranges(), loaded.settledAbove]).toEqual([
          ranges.floor,
          ranges.ranges(),
          ranges.settledAbove,
        ]);
      }),
    );
  });

  it('keeps no range when all is settled in order', () => {
    const ranges = new OffsetRanges(0);
    for (let offset = 0; offset < 1_000; offset += 1) {
      ranges.add(offset);
    }
    expect([ranges.floor, ranges.rangeCount]).toEqual([1_000, 0]);
  });
});
