import { timestampToMs } from '../timestamp.js';
import { readSecondsNanos } from './seconds-nanos.js';
import { type WireReader } from './wire-reader.js';
import { fieldBytes, int32Bytes, varintBytes, type WireWriter } from './wire-writer.js';

const SECONDS = 8;
const NANOS = 16;
const NANOS_PER_MS = 1e6;

/** Bytes of a published_at field: whole milliseconds from 1970 on. */
export function publishedAtBytes(ms: number): number {
  return fieldBytes(contentBytes(ms));
}

/** Writes whole milliseconds since 1970 as a Timestamp field. */
export function writePublishedAt(writer: WireWriter, tag: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms % 1000) * NANOS_PER_MS;
  writer.tag(tag).varint(contentBytes(ms));
  if (seconds > 0) {
    writer.tag(SECONDS).varint(seconds);
  }
  if (nanos > 0) {
    writer.tag(NANOS).int32(nanos);
  }
}

/** Milliseconds since 1970 of a Timestamp field, cut to whole ones; 0 if it is out of protobuf's range. */
export function readPublishedAt(reader: WireReader): number {
  return Math.floor(timestampToMs(readSecondsNanos(reader)) ?? 0);
}

function contentBytes(ms: number): number {
  const seconds = Math.floor(ms / 1000);
  const nanos = (ms % 1000) * NANOS_PER_MS;
  return (seconds > 0 ? 1 + varintBytes(seconds) : 0) + (nanos > 0 ? 1 + int32Bytes(nanos) : 0);
}
