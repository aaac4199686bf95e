import { blockAt, offsetsOf } from '../test/blocks.js';
import { MemoryLog } from '../test/memory-log.js';
import { PAGE_RECORDS_MAX, PageCache } from './page-cache.js';

const ALL = { maxRecords: 10_000, maxBytes: 1024 * 1024 };

function keyHash(record: Uint8Array): number {
  return Number(Buffer.from(record).toString());
}

function filled(count: number): MemoryLog {
  const log = new MemoryLog();
  log.add(blockAt(0, count));
  return log;
}

describe('PageCache', () => {
  it('loads a page once for all that read it', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(3_000);
    const reads = await Promise.all([0, 0, 5, 900].map((from) => cache.read(log, from, ALL)));
    expect(reads.map((block) => block.offset(0))).toEqual([0, 0, 5, 900]);
    expect(reads.map((block) => block.nextOffset)).toEqual(reads.map(() => PAGE_RECORDS_MAX));
    expect(log.reads).toBe(1);
    await cache.read(log, 17, ALL);
    expect(log.reads).toBe(1);
    expect(cache.counters).toMatchObject({ loads: 1, joined: 3, hits: 1 });
  });

  it('goes on page by page to the end, with key hashes', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(2_500);
    const offsets: number[] = [];
    for (let next = 0; next < log.nextOffset;) {
      const block = await cache.read(log, next, ALL);
      offsets.push(...block.columns.offsets);
      expect(block.keyHash(0)).toBe(block.offset(0));
      next = block.nextOffset;
    }
    expect(offsets).toEqual(Array.from({ length: 2_500 }, (_, index) => index));
    expect(log.reads).toBe(3);
  });

  it('keeps to the reader’s bounds', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const block = await cache.read(filled(100), 10, { maxRecords: 2, maxBytes: 1_000 });
    expect([offsetsOf(block), block.nextOffset]).toEqual([[10, 11], 12]);
  });

  it('answers the end without a read, and sees what is appended later', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(3);
    expect((await cache.read(log, 3, ALL)).nextOffset).toBe(3);
    expect(log.reads).toBe(0);
    await cache.read(log, 0, ALL);
    log.add(blockAt(3, 2));
    expect(offsetsOf(await cache.read(log, 3, ALL))).toEqual([3, 4]);
  });

  it('stays within its bound, least recently used out first', async () => {
    const bytesMax = 3.5 * blockAt(0, PAGE_RECORDS_MAX).memoryBytes;
    const cache = new PageCache({ bytesMax, keyHash });
    const logs = [1, 2, 3, 4].map(() => filled(PAGE_RECORDS_MAX));
    for (const log of [logs[0]!, logs[1]!, logs[2]!, logs[0]!, logs[3]!]) {
      await cache.read(log, 0, ALL);
      expect(cache.bytes).toBeLessThanOrEqual(bytesMax);
    }
    expect(cache.counters.evictedPages).toBeGreaterThan(0);
    await cache.read(logs[0]!, 0, ALL);
    expect(logs[0]!.reads).toBe(1);
  });

  it('refuses offsets below the lane’s first, also when they are cached', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(10);
    await cache.read(log, 0, ALL);
    await log.truncateBefore(5);
    await expect(cache.read(log, 4, ALL)).rejects.toMatchObject({ kind: 'outOfRange' });
    expect(offsetsOf(await cache.read(log, 8, ALL))).toEqual([8, 9]);
  });

  it('fails all readers of a page that cannot be read, and reads it anew afterwards', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(10);
    const read = log.read.bind(log);
    log.read = () => Promise.reject(new Error('no'));
    const outcomes = await Promise.allSettled([cache.read(log, 0, ALL), cache.read(log, 1, ALL)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    log.read = read;
    expect((await cache.read(log, 0, ALL)).count).toBe(10);
  });

  it('forgets a closed lane', async () => {
    const cache = new PageCache({ bytesMax: 1024 * 1024, keyHash });
    const log = filled(10);
    await cache.read(log, 0, ALL);
    cache.forget(log);
    expect(cache.bytes).toBe(0);
  });
});
