import fc from 'fast-check';

import { decodeRanges, encodeRanges } from './settled-ranges.js';

describe('settled ranges', () => {
  it('come back as they were, whatever their distance', () => {
    const distances = fc.array(fc.tuple(fc.nat(2 ** 31 - 1), fc.integer({ min: 1, max: 2 ** 31 - 1 })), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(fc.nat(), distances, (floor, pairs) => {
        let end = floor;
        const ranges = pairs.map(([gap, length]) => {
          const from = end + 1 + gap;
          end = from + length;
          return { from, to: end };
        });
        expect(decodeRanges(floor, encodeRanges(floor, ranges))).toEqual(ranges);
      }),
    );
  });
});
