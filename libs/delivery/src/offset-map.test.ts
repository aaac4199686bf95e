import fc from 'fast-check';
import { OffsetMap } from './offset-map.js';

describe('OffsetMap', () => {
  const step = fc.record({
    offset: fc.oneof(fc.nat(40), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 20 })),
    isSet: fc.boolean(),
  });

  it('holds what a Map would hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const map = new OffsetMap<{ offset: number }>();
        const expected = new Map<number, { offset: number }>();
        for (const { offset, isSet } of steps) {
          if (isSet) {
            const item = { offset };
            map.set(offset, item);
            expected.set(offset, item);
          } else {
            map.delete(offset);
            expected.delete(offset);
          }
          expect(map.get(offset)).toBe(expected.get(offset));
          expect(map.has(offset)).toBe(expected.has(offset));
          expect(map.size).toBe(expected.size);
        }
        const byOffset = (a: { offset: number }, b: { offset: number }): number => a.offset - b.offset;
        expect([...map.values()].sort(byOffset)).toEqual([...expected.values()].sort(byOffset));
      }),
    );
  });
});
