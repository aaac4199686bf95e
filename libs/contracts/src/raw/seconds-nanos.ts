import { type WireReader } from './wire-reader.js';

/** The common form of Timestamp and Duration. */
export interface SecondsNanos {
  seconds: number;
  nanos: number;
}

const SECONDS = 8;
const NANOS = 16;

/** Reads an embedded Timestamp or Duration, which may be out of protobuf's range. */
export function readSecondsNanos(reader: WireReader): SecondsNanos {
  const outerEnd = reader.end;
  reader.end = reader.bytesEnd();
  const time = { seconds: 0, nanos: 0 };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === SECONDS) {
      time.seconds = reader.int64();
    } else if (tag === NANOS) {
      time.nanos = reader.int32();
    } else {
      reader.skip(tag);
    }
  }
  reader.end = outerEnd;
  return time;
}
