import type { FetchedPartition, RawRecord } from 'kafkajs/src/cluster/index.js';

import { committedRecords } from './committed-records.js';

/** `producer` is that of a transaction; none: not in one. */
function record(offset: number, producer?: string, key: Buffer | null = null): RawRecord {
  const batchContext = {
    ...{ firstOffset: String(offset), lastOffsetDelta: 0 },
    ...{ producerId: producer ?? '-1', inTransaction: producer !== undefined },
  };
  return { offset: String(offset), timestamp: '0', key, value: Buffer.from('v'), batchContext };
}

function mark(offset: number, producer: string, kind: 'abort' | 'commit'): RawRecord {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]);
  return { ...record(offset, producer, key), isControlRecord: true };
}

function offsets(messages: readonly RawRecord[], aborted: readonly (readonly [string, number])[]): number[] {
  const abortedTransactions = aborted.map(([producerId, first]) => ({ producerId, firstOffset: String(first) }));
  const fetched: FetchedPartition = { partition: 0, errorCode: 0, highWatermark: '99', messages, abortedTransactions };
  return committedRecords(fetched).map(({ offset }) => Number(offset));
}

const ZERO = Buffer.alloc(4);

describe('committedRecords', () => {
  it('leaves out marks', () => {
    expect(offsets([record(0), record(1, 'a'), mark(2, 'a', 'commit'), record(3)], [])).toEqual([0, 1, 3]);
  });

  it('leaves out what was aborted, up to its mark, and nothing of others', () => {
    const messages = [record(0, 'a'), record(1, 'b'), record(2), mark(3, 'a', 'abort'), record(4, 'a'), record(5, 'b')];
    expect(offsets(messages, [['a', 0]])).toEqual([1, 2, 4, 5]);
  });

  it('knows every transaction that had begun before the fetch', () => {
    const messages = [record(10, 'b'), record(11, 'a'), mark(12, 'a', 'abort'), mark(13, 'b', 'abort'), record(14)];
    expect(
      offsets(messages, [
        ['b', 4],
        ['a', 2],
      ]),
    ).toEqual([14]);
  });

  it('takes no record for a mark because of its key', () => {
    const messages = [record(0, 'a', ZERO), record(1, 'a'), mark(2, 'a', 'abort'), record(3, undefined, ZERO)];
    expect(offsets(messages, [['a', 0]])).toEqual([3]);
  });

  it('passes over producers that abort again', () => {
    const messages = [record(0, 'a'), mark(1, 'a', 'abort'), record(2, 'a'), mark(3, 'a', 'abort'), record(4, 'a')];
    expect(
      offsets(messages, [
        ['a', 0],
        ['a', 2],
      ]),
    ).toEqual([4]);
  });

  it('reads the formats before transactions', () => {
    const old: RawRecord = { offset: '1', timestamp: '0', key: null, value: Buffer.from('v') };
    expect(offsets([old, record(2, 'a')], [['a', 2]])).toEqual([1]);
  });
});
