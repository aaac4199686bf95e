import type { IdentifiedPublish } from './producer-state.js';
import { StoreError } from './store-error.js';

const VERSION = 1;
const HEADER_BYTES = 1 + 4 + 8 + 4;
const LANE_BYTES = 8;
/** producer id, sequence, place, appended_at; checksum; lane, or 255 for a schedule. */
const PUBLISH_BYTES = 4 * 8 + 4 + 1;
const SCHEDULED = 255;

/** What a window may not know. */
export interface WindowBounds {
  /** By lane: what was appended from here on is not in it, or may not be. */
  readonly offsets: readonly number[];
  /** The same for schedules. */
  readonly scheduleId: number;
}

/** A window as of one moment. */
export interface StoredWindow extends WindowBounds {
  readonly publishes: readonly IdentifiedPublish[];
}

/** The bytes of a snapshot. Numbers are 64 bits wide, the order of the publishes is the window's. */
export function encodeWindow(
  publishes: readonly IdentifiedPublish[],
  { offsets, scheduleId }: WindowBounds,
): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES + offsets.length * LANE_BYTES + publishes.length * PUBLISH_BYTES);
  let at = bytes.writeUInt8(VERSION);
  at = bytes.writeUInt32LE(offsets.length, at);
  at = bytes.writeDoubleLE(scheduleId, at);
  at = bytes.writeUInt32LE(publishes.length, at);
  for (const offset of offsets) {
    at = bytes.writeDoubleLE(offset, at);
  }
  for (const { identity, lane, offset, scheduleId: schedule, checksum, appendedAtMs } of publishes) {
    at = bytes.writeDoubleLE(identity.producerId, at);
    at = bytes.writeDoubleLE(identity.sequence, at);
    at = bytes.writeDoubleLE(schedule ?? offset ?? 0, at);
    at = bytes.writeDoubleLE(appendedAtMs, at);
    at = bytes.writeUInt32LE(checksum, at);
    at = bytes.writeUInt8(schedule === undefined ? lane : SCHEDULED, at);
  }
  return bytes;
}

/** Reads a snapshot. Fails with `schemaNewer` if a newer program wrote it. */
export function decodeWindow(snapshot: Uint8Array): StoredWindow {
  const bytes = Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
  if (bytes.readUInt8() !== VERSION) {
    throw new StoreError('schemaNewer', `a snapshot of producers has version ${bytes.readUInt8()}`);
  }
  const lanes = bytes.readUInt32LE(1);
  const scheduleId = bytes.readDoubleLE(5);
  const count = bytes.readUInt32LE(13);
  const offsets = Array.from({ length: lanes }, (_, lane) => bytes.readDoubleLE(HEADER_BYTES + lane * LANE_BYTES));
  const start = HEADER_BYTES + lanes * LANE_BYTES;
  const publishes = Array.from({ length: count }, (_, nth) => readPublish(bytes, start + nth * PUBLISH_BYTES));
  return { offsets, scheduleId, publishes };
}

function readPublish(bytes: Buffer, at: number): IdentifiedPublish {
  const place = bytes.readDoubleLE(at + 16);
  const lane = bytes.readUInt8(at + 36);
  const isScheduled = lane === SCHEDULED;
  return {
    identity: { producerId: bytes.readDoubleLE(at), sequence: bytes.readDoubleLE(at + 8) },
    appendedAtMs: bytes.readDoubleLE(at + 24),
    checksum: bytes.readUInt32LE(at + 32),
    lane: isScheduled ? 0 : lane,
    offset: isScheduled ? undefined : place,
    scheduleId: isScheduled ? place : undefined,
  };
}
