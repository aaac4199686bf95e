import { type Timestamp } from './google.js';

/** Year 1 and the end of year 9999: protobuf's own bounds, in seconds since 1970. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
const NANOS_MAX = 999_999_999;
const NANOS_PER_MS = 1e6;

/** A Timestamp of `ms` milliseconds since 1970; fractions below a microsecond are lost. */
export function timestampFromMs(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  const micros = Math.round((ms - seconds * 1000) * 1000);
  return micros >= 1e6 ? { seconds: seconds + 1, nanos: 0 } : { seconds, nanos: micros * 1000 };
}

/** Milliseconds since 1970, with fractions, of a valid Timestamp; undefined if protobuf forbids it. */
export function timestampToMs(timestamp: Timestamp): number | undefined {
  const { seconds, nanos } = timestamp;
  const valid =
    Number.isSafeInteger(seconds) &&
    seconds >= SECONDS_MIN &&
    seconds <= SECONDS_MAX &&
    Number.isInteger(nanos) &&
    nanos >= 0 &&
    nanos <= NANOS_MAX;
  return valid ? seconds * 1000 + nanos / NANOS_PER_MS : undefined;
}
