import { crc32 } from 'node:zlib';

import { AppendBatch, RECORD_KIND, RecordBlock, StoreError } from '@hermes/log';
import type { FetchedPartition, RawRecord } from 'kafkajs/src/cluster/index.js';
import filterAbortedMessages from 'kafkajs/src/consumer/filterAbortedMessages.js';

import { epochAt, type Fences } from './fences.js';
import { decodeHeader, HEADER_NAME, type RecordHeader } from './record-header.js';

/** One message as it stands in Kafka. */
export interface FetchedRecord {
  readonly offset: number;
  readonly appendedAtMs: number;
  readonly record: Uint8Array;
  readonly header: RecordHeader;
}

/** What one fetch has brought of a lane. */
export interface FetchedRecords {
  readonly from: number;
  /** Everything below it, from `from` on, is in `records` or is no message. */
  readonly nextOffset: number;
  /** The messages, in order. */
  readonly records: readonly FetchedRecord[];
  /** The first offset that Kafka keeps. */
  readonly firstOffset: number;
  /** One above the last record that can be read now. */
  readonly endOffset: number;
}

/**
 * What Kafka has given: without marks, without what was aborted, without what lies below `from`, and without what an
 * owner of a lower epoch appended behind a newer owner's fence. Nothing of that was acknowledged: see ADR 25.
 */
export function readFetched(from: number, fetched: FetchedPartition, fences: Fences): FetchedRecords {
  const { messages, abortedTransactions, highWatermark, lastStableOffset, lastStartOffset } = fetched;
  const committed =
    (abortedTransactions?.length ?? 0) === 0 ? messages : filterAbortedMessages({ messages, abortedTransactions });
  const records: FetchedRecord[] = [];
  let epoch = 0;
  for (const message of committed) {
    const record = message.isControlRecord === true ? undefined : toRecord(message);
    if (record !== undefined) {
      epoch = Math.max(epoch, record.header.epoch, epochAt(fences, record.offset));
      const { header } = record;
      if (record.offset >= from && header.kind === RECORD_KIND.message && header.epoch === epoch) {
        records.push(record);
      }
    }
  }
  return {
    from,
    nextOffset: Math.max(from, nextOffsetOf(messages.at(-1))),
    records,
    firstOffset: Number(lastStartOffset ?? 0),
    endOffset: Number(lastStableOffset ?? highWatermark),
  };
}

/**
 * The messages as one block, copied: what Kafka's answer holds besides can go. Ends before a message that does not
 * match its checksum; rejects with `recordCorrupt` if that is the first.
 */
export function toBlock({ from, nextOffset, records }: FetchedRecords): RecordBlock {
  const intact = records.findIndex(({ record, header }) => crc32(record) !== header.checksum);
  const corrupt = records[intact];
  if (corrupt !== undefined && intact === 0) {
    throw new StoreError('recordCorrupt', `record ${corrupt.offset} does not match its checksum`, {
      details: { offset: corrupt.offset },
    });
  }
  return pack(from, corrupt?.offset ?? nextOffset, corrupt === undefined ? records : records.slice(0, intact));
}

function pack(from: number, nextOffset: number, records: readonly FetchedRecord[]): RecordBlock {
  if (records.length === 0) {
    return RecordBlock.empty(from, nextOffset);
  }
  let bytes = 0;
  for (const { record } of records) {
    bytes += record.length;
  }
  const packed = AppendBatch.allocate(0, records.length, bytes);
  let end = 0;
  records.forEach(({ offset, appendedAtMs, record, header }, index) => {
    packed.offsets[index] = offset;
    packed.appendedAtMs[index] = appendedAtMs;
    packed.expiresAtMs[index] = header.expiresAtMs;
    packed.bytes.set(record, end);
    end += record.length;
    packed.ends[index] = end;
  });
  return new RecordBlock(from, nextOffset, { ...packed.columns(), keyHashes: undefined });
}

/** Records that are not Hermes' own are not messages: somebody else has written to Hermes' topic. */
function toRecord({ offset, timestamp, value, headers }: RawRecord): FetchedRecord | undefined {
  const bytes = headers?.[HEADER_NAME];
  const header = bytes instanceof Buffer ? decodeHeader(bytes) : undefined;
  return header === undefined
    ? undefined
    : { offset: Number(offset), appendedAtMs: Number(timestamp), record: value ?? EMPTY, header };
}

/** One above what the last record's batch speaks for: compaction may have taken the batch's own last record. */
function nextOffsetOf(last: RawRecord | undefined): number {
  if (last === undefined) {
    return 0;
  }
  const { batchContext, offset } = last;
  const batchEnd = batchContext === undefined ? 0 : Number(batchContext.firstOffset) + batchContext.lastOffsetDelta;
  return Math.max(Number(offset), batchEnd) + 1;
}

const EMPTY = new Uint8Array(0);
