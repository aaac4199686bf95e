import { crc32 } from 'node:zlib';

import { AppendBatch, type RecordBlock } from '@hermes/log';
import { FakeClock } from '@hermes/testing';

import type { FetchedRecords } from './fetched-records.js';
import { LaneFeed } from './lane-feed.js';
import type { FetchedRecord } from './record-format.js';

function record(offset: number): FetchedRecord {
  const bytes = Buffer.from(`m${offset}`);
  const none = { scheduleId: 0, producerId: 0, sequence: 0, expiresAtMs: 0 };
  const header = { ...none, kind: 0 as const, epoch: 1, checksum: crc32(bytes) };
  return { offset, appendedAtMs: 1, record: bytes, header };
}

/** What a fetch from `from` brings: all up to `nextOffset`, of a lane that ends at `endOffset`. */
function fetched(from: number, nextOffset: number, endOffset = nextOffset): FetchedRecords {
  const records = Array.from({ length: nextOffset - from }, (_, nth) => record(from + nth));
  return { from, nextOffset, records, firstOffset: 0, endOffset };
}

/** The owner's own append, from `from` up to `nextOffset`. */
function own(from: number, nextOffset: number): RecordBlock {
  const texts = Array.from({ length: nextOffset - from }, (_, nth) => `m${from + nth}`);
  const batch = AppendBatch.pack(
    from,
    texts.map((text) => ({ record: Buffer.from(text), keyHash: 0 })),
  );
  texts.forEach((_, nth) => (batch.offsets[nth] = from + nth));
  return batch.toBlock();
}

function make(end = 10, isShared = false) {
  const clock = new FakeClock();
  const told: string[] = [];
  const feed = new LaneFeed(end, { clock, onWanted: () => told.push('wanted'), isShared });
  feed.follow({
    records: ({ from, nextOffset }: RecordBlock) => told.push(`${from}-${nextOffset}`),
    grown: () => told.push('grown'),
  });
  return { clock, told, feed };
}

describe('LaneFeed', () => {
  it('follows the end alone while nobody reads near it', () => {
    const { feed, told } = make();
    feed.appended(own(10, 13));
    expect([feed.end, feed.nextPosition(), feed.wantsRecords]).toEqual([13, 13, false]);
    feed.fetched(fetched(13, 14, 20));
    expect([feed.end, feed.nextPosition(), told]).toEqual([20, 20, ['grown', 'grown']]);
    expect(feed.arrival(15)).toBeUndefined();
  });

  it('tells the records themselves, in order, from the first read near the end on', () => {
    const { feed, told } = make(10, true);
    feed.wasRead(9);
    expect([feed.wantsRecords, feed.nextPosition()]).toEqual([true, 10]);
    feed.reaches(12);
    feed.fetched(fetched(10, 12));
    feed.fetched(fetched(12, 15));
    expect(told).toEqual(['wanted', '10-12', '12-15']);
    expect([feed.end, feed.nextPosition()]).toEqual([15, 15]);
  });

  it('tells own appends without a fetch where they follow what was told', () => {
    const { feed, told } = make();
    feed.wasRead(9);
    feed.appended(own(10, 12));
    feed.appended(own(12, 15));
    expect(told).toEqual(['wanted', '10-12', '12-15']);
    expect([feed.end, feed.nextPosition(), feed.wantsRecords]).toEqual([15, 15, false]);
  });

  it('fetches what others have appended between, and tells what it has itself behind that', () => {
    const { feed, told } = make();
    feed.wasRead(9);
    feed.appended(own(12, 14));
    feed.appended(own(14, 15));
    expect([told, feed.nextPosition(), feed.wantsRecords]).toEqual([['wanted', 'wanted', 'wanted'], 10, true]);
    feed.fetched(fetched(10, 12, 15));
    expect(told.slice(3)).toEqual(['10-12', '12-14', '14-15']);
    expect([feed.nextPosition(), feed.wantsRecords]).toEqual([15, false]);
  });

  it('tells nothing twice that was fetched before Kafka had answered its append', () => {
    const { feed, told } = make();
    feed.wasRead(9);
    feed.fetched(fetched(10, 13));
    feed.appended(own(10, 12));
    feed.appended(own(12, 14));
    expect(told).toEqual(['wanted', '10-13', 'wanted']);
    feed.fetched(fetched(13, 14));
    expect(told.at(-1)).toBe('13-14');
  });

  it('keeps own appends within a bound while it waits for what stands before them', () => {
    const { feed, told } = make();
    feed.wasRead(9);
    const record = Buffer.alloc(3 * 1024 * 1024);
    for (const offset of [11, 12]) {
      const batch = AppendBatch.pack(offset, [{ record, keyHash: 0 }]);
      batch.offsets[0] = offset;
      feed.appended(batch.toBlock());
    }
    feed.fetched(fetched(10, 11, 13));
    expect([told.filter((each) => each !== 'wanted'), feed.nextPosition()]).toEqual([['10-11', '11-12'], 12]);
    expect(feed.wantsRecords).toBe(true);
  });

  it('is not started by who reads far behind, and stops some time after the last reader', () => {
    const { feed, clock, told } = make(10_000, true);
    feed.wasRead(10);
    expect([feed.wantsRecords, told]).toEqual([false, []]);
    feed.wasRead(9_990);
    clock.advance(31_000);
    feed.reaches(10_100);
    expect([feed.wantsRecords, feed.nextPosition()]).toEqual([false, 10_100]);
  });

  it('lets a reader wait for what is on its way, and go when it has come, or does not', async () => {
    const { feed } = make();
    feed.wasRead(9);
    expect(feed.arrival(10)).toBeUndefined();
    feed.reaches(11);
    const arrival = feed.arrival(10);
    expect(feed.arrival(9)).toBeUndefined();
    feed.fetched(fetched(10, 11));
    await arrival;
    feed.reaches(12);
    const failing = feed.arrival(11);
    feed.failed();
    await failing;
  });

  it('takes no answer to a question that it would not ask any more', () => {
    const { feed, told } = make();
    feed.wasRead(9);
    feed.fetched(fetched(10, 12));
    feed.fetched(fetched(10, 12));
    expect(told).toEqual(['wanted', '10-12']);
  });

  it('leaves to others what fetches do not bring, though it is there', () => {
    const { feed } = make();
    feed.wasRead(9);
    feed.fetched(fetched(10, 10, 20));
    feed.fetched(fetched(10, 10, 20));
    expect([feed.nextPosition(), feed.end]).toEqual([10, 20]);
    feed.fetched(fetched(10, 10, 20));
    expect(feed.nextPosition()).toBe(20);
  });
});
