import { createHash } from 'node:crypto';

import { RECORD_KIND } from '@hermes/log';
import type { RawRecord } from 'kafkajs/src/cluster/index.js';

import { ATTACHED_OVERHEAD_BYTES, fromAttached, toAttached } from './attached-record.js';
import type { FetchedRecord, RecordFormat } from './record-format.js';

/** Of the hash that names a partition in its schedules' records. */
const ORIGIN_CHARS = 16;

/** The last time that a protobuf Timestamp has. */
const TIME_MAX_MS = 253_402_300_799_999;

/**
 * The format of topics that others write and read, too: see `attached-record.ts`. Schedules are known by `secret`, which no
 * other partition has: their records may have been copied from elsewhere.
 */
export function attachedFormat(secret: Uint8Array): RecordFormat {
  const origin = createHash('sha256').update(secret).digest('hex').slice(0, ORIGIN_CHARS);
  return {
    overheadBytes: ATTACHED_OVERHEAD_BYTES,
    isTimedByOwner: false,
    encode: (batch, index) => {
      const scheduleId = batch.scheduleIds[index] ?? 0;
      const schedule = scheduleId === 0 ? '' : `${origin}/${scheduleId}`;
      return toAttached(batch.record(index), { schedule, expiresAtMs: batch.expiresAtMs[index] ?? 0 });
    },
    decode: (records, from) =>
      records.filter(({ offset }) => Number(offset) >= from).map((record) => fromForeign(record, origin)),
  };
}

function fromForeign(raw: RawRecord, origin: string): FetchedRecord {
  const { record, schedule, expiresAtMs } = fromAttached(raw);
  const [from, id = ''] = schedule.split('/');
  const scheduleId = from === origin && /^\d{1,15}$/.test(id) ? Number(id) : 0;
  const none = { checksum: undefined, epoch: 0, producerId: 0, sequence: 0 };
  return {
    offset: Number(raw.offset),
    // Producers give any time, and the oldest formats none.
    appendedAtMs: Math.min(TIME_MAX_MS, Math.max(0, Number(raw.timestamp))),
    record,
    header: { ...none, kind: RECORD_KIND.message, scheduleId, expiresAtMs },
  };
}
