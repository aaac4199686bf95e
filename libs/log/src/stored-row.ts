import { crc32 } from 'node:zlib';

import { AppendBatch } from './append-batch.js';
import { RECORD_KIND } from './record-kind.js';

/** A lane's row as the SQL stores read it: [offset, kind, appended_at, crc32, record, expires_at]. */
export type StoredRow = readonly [number, number, number, number, Uint8Array, number | null];

/** Whether a message is what was stored; marks have no content. */
export function isIntact([, kind, , checksum, record]: StoredRow): boolean {
  return kind !== RECORD_KIND.message || crc32(record) === checksum;
}

/** Copies rows of messages into one buffer with columns, without key hashes: what a read gives back. */
export function packRows(rows: readonly StoredRow[]): AppendBatch {
  let bytes = 0;
  for (const row of rows) {
    bytes += row[4].length;
  }
  const packed = AppendBatch.allocate(0, rows.length, bytes);
  let end = 0;
  rows.forEach(([offset, , appendedAtMs, , record, expiresAtMs], index) => {
    packed.offsets[index] = offset;
    packed.appendedAtMs[index] = appendedAtMs;
    packed.expiresAtMs[index] = expiresAtMs ?? 0;
    packed.bytes.set(record, end);
    end += record.length;
    packed.ends[index] = end;
  });
  return packed;
}
