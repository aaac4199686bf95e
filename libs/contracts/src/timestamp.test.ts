import fc from 'fast-check';
import { timestampFromMs, timestampToMs } from './timestamp.js';

describe('timestamps', () => {
  it('of whole milliseconds are read as they were written, before 1970 too', () => {
    fc.assert(
      fc.property(fc.integer({ min: -6e13, max: 2.5e14 }), (ms) => {
        expect(timestampToMs(timestampFromMs(ms))).toBe(ms);
      }),
    );
    expect(timestampFromMs(-1)).toEqual({ seconds: -1, nanos: 999_000_000 });
  });

  it('keep microseconds and never fill a second with nanoseconds', () => {
    expect(timestampFromMs(1.5)).toEqual({ seconds: 0, nanos: 1_500_000 });
    expect(timestampFromMs(999.999_999)).toEqual({ seconds: 1, nanos: 0 });
  });

  it.each([
    { seconds: 0, nanos: -1 },
    { seconds: 0, nanos: 1_000_000_000 },
    { seconds: 253_402_300_800, nanos: 0 },
    { seconds: -62_135_596_801, nanos: 0 },
  ])('that protobuf forbids are refused: %p', (timestamp) => {
    expect(timestampToMs(timestamp)).toBeUndefined();
  });
});
