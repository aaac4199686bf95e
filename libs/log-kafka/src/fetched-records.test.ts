import { crc32 } from 'node:zlib';

import { RECORD_KIND, type RecordKind } from '@hermes/log';
import type { FetchedPartition, RawRecord } from 'kafkajs/src/cluster/index.js';

import { readFetched, toBlock } from './fetched-records.js';
import { ownFormat } from './own-format.js';
import { encodeHeader, HEADER_NAME } from './record-header.js';

const NO_FENCES = ownFormat(1, []);

interface Given {
  readonly offset: number;
  readonly text?: string;
  readonly epoch?: number;
  readonly kind?: RecordKind;
  readonly checksum?: number;
  readonly more?: Partial<RawRecord>;
}

function raw({ offset, text = `m${offset}`, epoch = 1, kind = RECORD_KIND.message, checksum, more }: Given): RawRecord {
  const value = Buffer.from(text);
  const none = { scheduleId: 0, producerId: 0, sequence: 0, expiresAtMs: 0 };
  const header = encodeHeader({ ...none, kind, epoch, checksum: checksum ?? crc32(value) });
  const batchContext = { firstOffset: String(offset), lastOffsetDelta: 0, producerId: '7', inTransaction: false };
  const headers = { [HEADER_NAME]: header };
  return { offset: String(offset), timestamp: '1700', key: null, value, headers, batchContext, ...more };
}

function fetched(messages: readonly RawRecord[], change: Partial<FetchedPartition> = {}): FetchedPartition {
  const ends = { highWatermark: '100', lastStableOffset: '90', lastStartOffset: '3' };
  return { partition: 0, errorCode: 0, ...ends, messages, ...change };
}

const offsetsOf = (from: number, messages: readonly RawRecord[], fences = [{ offset: 0, epoch: 1 }]): number[] =>
  readFetched(from, fetched(messages), ownFormat(1, fences)).records.map(({ offset }) => offset);

describe('what Kafka gives', () => {
  it('is read with its ends; what lies below where it was asked for is left out', () => {
    const read = readFetched(5, fetched([4, 5, 6].map((offset) => raw({ offset }))), NO_FENCES);
    expect(read).toMatchObject({ from: 5, nextOffset: 7, firstOffset: 3, endOffset: 90 });
    expect(read.records.map(({ offset, appendedAtMs }) => [offset, appendedAtMs])).toEqual([
      [5, 1700],
      [6, 1700],
    ]);
  });

  it('speaks for all of its last batch, though compaction has taken the end of it', () => {
    const batchContext = { firstOffset: '5', lastOffsetDelta: 20, producerId: '7', inTransaction: false };
    expect(readFetched(5, fetched([raw({ offset: 8, more: { batchContext } })]), NO_FENCES).nextOffset).toBe(26);
    const old = Object.fromEntries(Object.entries(raw({ offset: 8 })).filter(([name]) => name !== 'batchContext'));
    expect(readFetched(5, fetched([old as unknown as RawRecord]), NO_FENCES).nextOffset).toBe(9);
    expect(readFetched(5, fetched([]), NO_FENCES).nextOffset).toBe(5);
  });

  it('is without fences, without marks of transactions, and without what somebody else has written there', () => {
    const messages = [
      raw({ offset: 1, kind: RECORD_KIND.fence }),
      raw({ offset: 2, more: { isControlRecord: true } }),
      raw({ offset: 3, more: { headers: {} } }),
      raw({ offset: 4, more: { headers: { [HEADER_NAME]: Buffer.from('?') } } }),
      raw({ offset: 5 }),
    ];
    expect(offsetsOf(0, messages)).toEqual([5]);
    expect(readFetched(0, fetched(messages), NO_FENCES).nextOffset).toBe(6);
  });

  it('is without what was aborted', () => {
    const inTransaction = { firstOffset: '1', lastOffsetDelta: 0, producerId: '9', inTransaction: true };
    const messages = [
      raw({ offset: 1, more: { batchContext: inTransaction } }),
      raw({ offset: 2 }),
      raw({ offset: 3, more: { isControlRecord: true, key: Buffer.from([0, 0, 0, 0]), batchContext: inTransaction } }),
      raw({ offset: 4, more: { batchContext: inTransaction } }),
    ];
    const abortedTransactions = [{ producerId: '9', firstOffset: '1' }];
    const { records } = readFetched(0, fetched(messages, { abortedTransactions }), NO_FENCES);
    expect(records.map(({ offset }) => offset)).toEqual([2, 4]);
  });

  it('is without what an older owner wrote behind a fence: one that is known of, or one that is read', () => {
    const fences = [
      { offset: 0, epoch: 1 },
      { offset: 10, epoch: 3 },
    ];
    const known = [raw({ offset: 9 }), raw({ offset: 11 }), raw({ offset: 12, epoch: 3 }), raw({ offset: 13 })];
    expect(offsetsOf(9, known, fences)).toEqual([9, 12]);
    const isRead = [raw({ offset: 5 }), raw({ offset: 6, epoch: 2, kind: RECORD_KIND.fence }), raw({ offset: 7 })];
    expect(offsetsOf(5, isRead)).toEqual([5]);
  });

  it('ends before a record that does not match its checksum, and is refused if that is the first', () => {
    const messages = [raw({ offset: 5 }), raw({ offset: 6, checksum: 1 }), raw({ offset: 7 })];
    const block = toBlock(readFetched(5, fetched(messages), NO_FENCES));
    expect([block.count, block.nextOffset]).toEqual([1, 6]);
    expect(() => toBlock(readFetched(6, fetched(messages), NO_FENCES))).toThrow('record 6 does not match its checksum');
  });
});
