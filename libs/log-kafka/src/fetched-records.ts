import { crc32 } from 'node:zlib';

import { AppendBatch, RecordBlock, StoreError } from '@hermes/log';
import type { FetchedPartition, RawRecord } from 'kafkajs/src/cluster/index.js';

import { committedRecords } from './committed-records.js';
import type { FetchedRecord, RecordFormat } from './record-format.js';

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

/** What Kafka has given, without what is no message and without what lies below `from`. */
export function readFetched(from: number, fetched: FetchedPartition, format: RecordFormat): FetchedRecords {
  const { messages, highWatermark, lastStableOffset, lastStartOffset } = fetched;
  return {
    from,
    nextOffset: Math.max(from, nextOffsetOf(messages.at(-1))),
    records: format.decode(committedRecords(fetched), from),
    firstOffset: Number(lastStartOffset ?? 0),
    endOffset: Number(lastStableOffset ?? highWatermark),
  };
}

/**
 * The messages as one block, copied: what Kafka's answer holds besides can go. Ends before a message that does not
 * match its checksum; rejects with `recordCorrupt` if that is the first.
 */
export function toBlock({ from, nextOffset, records }: FetchedRecords): RecordBlock {
  const intact = records.findIndex(
    ({ record, header: { checksum } }) => checksum !== undefined && crc32(record) !== checksum,
  );
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

/** One above what the last record's batch speaks for: compaction may have taken the batch's own last record. */
function nextOffsetOf(last: RawRecord | undefined): number {
  if (last === undefined) {
    return 0;
  }
  const { batchContext, offset } = last;
  const batchEnd = batchContext === undefined ? 0 : Number(batchContext.firstOffset) + batchContext.lastOffsetDelta;
  return Math.max(Number(offset), batchEnd) + 1;
}
