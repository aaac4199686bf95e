import { RECORD_KIND } from '@hermes/log';
import type { RawRecord } from 'kafkajs/src/cluster/index.js';

import { epochAt, type Fences } from './fences.js';
import type { FetchedRecord, RecordFormat } from './record-format.js';
import { decodeHeader, encodeHeader, HEADER_NAME, headerOf } from './record-header.js';

/** The format of topics that are Hermes' own: the message as it was published, and one header. */
export function ownFormat(epoch: number, fences: Fences): RecordFormat {
  return {
    overheadBytes: 96,
    isTimedByOwner: true,
    encode: (batch, index) => ({
      key: null,
      value: bufferOf(batch.record(index)),
      headers: { [HEADER_NAME]: encodeHeader(headerOf(batch, index, epoch)) },
    }),
    decode: (records, from) => withoutVoid(records, from, fences),
  };
}

/**
 * Without what an owner of a lower epoch appended behind a newer owner's fence: nothing of that was acknowledged, see ADR
 * 25. Nor are records without Hermes' header messages: somebody else has written to Hermes' topic.
 */
function withoutVoid(records: readonly RawRecord[], from: number, fences: Fences): FetchedRecord[] {
  const found: FetchedRecord[] = [];
  let epoch = 0;
  for (const raw of records) {
    const record = fromOwn(raw);
    if (record !== undefined) {
      epoch = Math.max(epoch, record.header.epoch, epochAt(fences, record.offset));
      const { header } = record;
      if (record.offset >= from && header.kind === RECORD_KIND.message && header.epoch === epoch) {
        found.push(record);
      }
    }
  }
  return found;
}

function fromOwn({ offset, timestamp, value, headers }: RawRecord): FetchedRecord | undefined {
  const bytes = headers?.[HEADER_NAME];
  const header = bytes instanceof Buffer ? decodeHeader(bytes) : undefined;
  return header === undefined
    ? undefined
    : { offset: Number(offset), appendedAtMs: Number(timestamp), record: value ?? EMPTY, header };
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

const EMPTY = new Uint8Array(0);
