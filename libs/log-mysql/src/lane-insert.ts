import { crc32 } from 'node:zlib';

import { type AppendBatch, RECORD_KIND } from '@hermes/log';

import type { LaneTable } from './lane-table.js';
import type { SqlValue } from './session.js';

/** Rows to be inserted as a whole, at offsets that their writer has chosen. */
export interface LaneInsert {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** Of the first row. */
  readonly offset: number;
  readonly count: number;
  readonly appendedAtMs: number;
  /** By which the rows are known again. */
  readonly appendId: number;
}

const COLUMNS = '(log_offset, kind, epoch, append_id, appended_at, crc32, ref_key, record)';

/** Columns that most records leave empty, as statements name them and as the JSON has them behind the others. */
interface Extras {
  readonly columns: readonly string[];
  readonly values: (batch: AppendBatch, index: number) => readonly (number | undefined)[];
}

const NO_EXTRAS: Extras = { columns: [], values: () => [] };
const IDENTIFIED: Extras = {
  columns: ['producer_id', 'sequence'],
  values: ({ producerIds, sequences }, index) => [producerIds[index], sequences[index]],
};
const ALL_EXTRAS: Extras = {
  columns: [...IDENTIFIED.columns, 'schedule_id', 'expires_at'],
  values: (batch, index) => [...IDENTIFIED.values(batch, index), batch.scheduleIds[index], batch.expiresAtMs[index]],
};

/** What a record takes in the statement's JSON: nine numbers, the largest of sixteen digits. */
const RECORD_OVERHEAD_BYTES = 128;

/** What a statement takes beside its records. */
const STATEMENT_OVERHEAD_BYTES = 1_024;

/** Largest MEDIUMBLOB. */
const RECORD_BYTES_MAX = 2 ** 24 - 1;

/** Whether records of so many bytes fit into one packet, and one of them into its column. */
export function fitsPacket(records: number, bytes: number, packetBytesMax: number): boolean {
  const size = STATEMENT_OVERHEAD_BYTES + records * RECORD_OVERHEAD_BYTES + bytes;
  return size <= packetBytesMax && (records > 1 || bytes <= RECORD_BYTES_MAX);
}

/**
 * Inserts a batch of any size by one prepared statement per lane: the records go as one binary value that the server
 * slices, everything else as JSON. Against a VALUES list this halves the client's work per row (docs/adr/0011).
 *
 * The batch's columns say offsets and times.
 */
export function messagesInsert(table: LaneTable, batch: AppendBatch, epoch: number): LaneInsert {
  const offset = batch.offsets[0] ?? 0;
  const recordsEnd = batch.ends[batch.count - 1] ?? 0;
  const extras = extrasOf(batch);
  const names = extras.columns.map((column) => `, ${column}`).join('');
  const paths = extras.columns.map((column, nth) => `, ${column} BIGINT PATH '$[${5 + nth}]'`).join('');
  return {
    sql: `INSERT INTO ${table.name} ${COLUMNS.replace(')', `${names})`)}
      SELECT CAST(? AS UNSIGNED) + j.n - 1, ${RECORD_KIND.message}, ?, ?, ?, j.c,
             SUBSTRING(CAST(? AS BINARY), j.k, j.m), SUBSTRING(CAST(? AS BINARY), j.a, j.l)${names.replaceAll(', ', ', j.')}
      FROM JSON_TABLE(?, '$[*]' COLUMNS (n FOR ORDINALITY, a INT PATH '$[0]', l INT PATH '$[1]',
                                         c INT UNSIGNED PATH '$[2]', k INT PATH '$[3]', m INT PATH '$[4]'
                                         ${paths})) AS j`,
    values: [
      ...[offset, epoch, batch.appendId, batch.appendedAtMs[0] ?? 0],
      batch.bytes.subarray(recordsEnd),
      batch.bytes.subarray(0, recordsEnd),
      slicesOf(batch, recordsEnd, extras),
    ],
    offset,
    count: batch.count,
    appendedAtMs: batch.appendedAtMs[0] ?? 0,
    appendId: batch.appendId,
  };
}

/** Inserts a record that is no message and explains its offset. */
export function markInsert(
  table: LaneTable,
  mark: { readonly kind: number; readonly offset: number; readonly epoch: number; readonly appendId: number },
  appendedAtMs: number,
): LaneInsert {
  const { kind, offset, epoch, appendId } = mark;
  return {
    sql: `INSERT INTO ${table.name} ${COLUMNS} VALUES (?, ?, ?, ?, ?, 0, NULL, '')`,
    values: [offset, kind, epoch, appendId, appendedAtMs],
    offset,
    count: 1,
    appendedAtMs,
    appendId,
  };
}

/** Few statements, so that few are prepared; what most appends do not use, they do not pay for. */
function extrasOf(batch: AppendBatch): Extras {
  const isUsed = (value: number): boolean => value !== 0;
  if (batch.scheduleIds.some(isUsed) || batch.expiresAtMs.some(isUsed)) {
    return ALL_EXTRAS;
  }
  return batch.producerIds.some(isUsed) ? IDENTIFIED : NO_EXTRAS;
}

/**
 * [[start, length, crc32, start of ref key, its length, extra columns…], …], counted from 1 as SUBSTRING does. What is
 * not there is left out, or null.
 */
function slicesOf(batch: AppendBatch, recordsEnd: number, extras: Extras): string {
  let json = '';
  let start = 0;
  for (let index = 0; index < batch.count; index += 1) {
    const end = batch.ends[index] ?? start;
    const refKey = batch.refKey(index);
    const refKeyEnd = (batch.refKeyEnds[index] ?? recordsEnd) - recordsEnd;
    const noRefKey = extras === NO_EXTRAS ? '' : ',null,null';
    const refKeyPart = refKey === null ? noRefKey : `,${refKeyEnd - refKey.length + 1},${refKey.length}`;
    const others = extras.values(batch, index).map((value = 0) => (value === 0 ? ',null' : `,${value}`));
    json += `${index === 0 ? '' : ','}[${start + 1},${end - start},${crc32(batch.record(index))}${refKeyPart}${others.join('')}]`;
    start = end;
  }
  return `[${json}]`;
}
