import fc from 'fast-check';
import { durationFromMs, durationToMs, readDuration } from './duration.js';
import { HermesError } from './hermes-error.js';

describe('durations', () => {
  it('keep milliseconds and their fractions', () => {
    expect(durationFromMs(1500.25)).toEqual({ seconds: 1, nanos: 500_250_000 });
    expect(durationFromMs(-1500)).toEqual({ seconds: -1, nanos: -500_000_000 });
    expect(durationFromMs(999.999_999_9)).toEqual({ seconds: 1, nanos: 0 });
    expect(durationToMs({ seconds: 0, nanos: 250_000 })).toBe(0.25);
  });

  it('of whole milliseconds are read as they were written', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => {
        expect(durationToMs(durationFromMs(ms))).toBe(ms);
      }),
    );
  });

  it.each([
    { seconds: 1, nanos: -1 },
    { seconds: -1, nanos: 1 },
    { seconds: 0, nanos: 1_000_000_000 },
    { seconds: 315_576_000_001, nanos: 0 },
    { seconds: 0.5, nanos: 0 },
  ])('that protobuf forbids are refused: %p', (duration) => {
    expect(durationToMs(duration)).toBeUndefined();
    expect(readDuration('delay', duration, { min: 0, max: 1e15 })).toBeInstanceOf(HermesError);
  });

  it('out of bounds are refused by the name of their field', () => {
    const bounds = { min: 1_000, max: 43_200_000 };
    expect(readDuration('ack_deadline', { seconds: 1, nanos: 0 }, bounds)).toBe(1_000);
    for (const duration of [
      { seconds: 0, nanos: 999_999_999 },
      { seconds: 43_200, nanos: 1 },
      { seconds: -5, nanos: 0 },
    ]) {
      const error = readDuration('ack_deadline', duration, bounds);
      expect(error).toMatchObject({ code: 'INVALID_FIELD', violations: [{ field: 'ack_deadline' }] });
    }
  });
});
