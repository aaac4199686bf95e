import { type Duration } from './google.js';
import { type HermesError, invalidField } from './hermes-error.js';

/** protobuf's own bound of a Duration: 10,000 years, in seconds. */
const SECONDS_MAX = 315_576_000_000;
const NANOS_MAX = 999_999_999;
const NANOS_PER_MS = 1e6;

/** A Duration of `ms` milliseconds; fractions are kept to the nanosecond. */
export function durationFromMs(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * NANOS_PER_MS);
  // Rounding may fill a whole second; `+ 0` turns -0 into 0.
  return Math.abs(nanos) > NANOS_MAX
    ? { seconds: seconds + Math.sign(nanos), nanos: 0 }
    : { seconds: seconds + 0, nanos: nanos + 0 };
}

/** Milliseconds, with fractions, of a valid Duration, whatever its sign; undefined if protobuf forbids it. */
export function durationToMs(duration: Duration): number | undefined {
  const { seconds, nanos } = duration;
  const valid =
    Number.isSafeInteger(seconds) &&
    Math.abs(seconds) <= SECONDS_MAX &&
    Number.isInteger(nanos) &&
    Math.abs(nanos) <= NANOS_MAX &&
    (seconds === 0 || nanos === 0 || seconds > 0 === nanos > 0);
  return valid ? seconds * 1000 + nanos / NANOS_PER_MS : undefined;
}

/** Where a duration field may lie, in milliseconds. */
export interface DurationBounds {
  readonly min: number;
  readonly max: number;
}

/** Milliseconds of a duration field, or the INVALID_FIELD that it deserves: invalid, or out of bounds. */
export function readDuration(field: string, duration: Duration, bounds: DurationBounds): number | HermesError {
  const ms = durationToMs(duration);
  if (ms === undefined) {
    return invalidField(field, 'a valid duration');
  }
  return ms < bounds.min || ms > bounds.max ? invalidField(field, `${bounds.min} to ${bounds.max} ms`) : ms;
}
