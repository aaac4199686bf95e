/* eslint-disable max-lines-per-function -- a suite, as in a test file */
/// <reference types="jest" />
import { AppendBatch } from '../append-batch.js';
import {
  contents,
  EVERYTHING,
  itIf,
  laneOf,
  type MakeHarness,
  type StoreAbilities,
  StoreFixture,
} from './store-harness.js';

/** What every MessageLog does. */
export function describeMessageLog(makeHarness: MakeHarness, { damage }: StoreAbilities): void {
  describe('message log', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    it('starts at its first offset with nothing to read', async () => {
      const log = laneOf(await fixture.opened());
      expect(log.firstOffset).toBe(0);
      expect(await contents(log)).toEqual([]);
      const atEnd = await log.read(log.nextOffset, EVERYTHING);
      expect([atEnd.from, atEnd.nextOffset, atEnd.count]).toEqual([log.nextOffset, log.nextOffset, 0]);
    });

    it('gives a batch consecutive offsets and reads back the same bytes', async () => {
      const log = laneOf(await fixture.opened());
      const first = log.nextOffset;
      expect(await fixture.append(log, 'a', '', 'c')).toEqual([first, first + 1, first + 2]);
      expect(await fixture.append(log, 'd')).toEqual([first + 3]);
      expect(log.nextOffset).toBe(first + 4);
      expect(await contents(log)).toEqual([
        [first, 'a'],
        [first + 1, ''],
        [first + 2, 'c'],
        [first + 3, 'd'],
      ]);
    });

    it('hands back the appended block with records, key hashes and the time of the store', async () => {
      const store = await fixture.opened();
      const outcome = await laneOf(store).append(fixture.batch(['one', 'three']));
      expect(outcome.kind).toBe('appended');
      if (outcome.kind === 'appended') {
        const { block } = outcome;
        expect(Buffer.from(block.record(1)).toString()).toBe('three');
        expect([block.keyHash(0), block.keyHash(1)]).toEqual([3, 5]);
        expect(Math.abs(block.appendedAtMs(0) - store.timeMs())).toBeLessThan(60_000);
        expect(laneOf(store).lastAppendedAtMs).toBe(block.appendedAtMs(1));
      }
    });

    it('keeps odd batch sizes and large records whole', async () => {
      const log = laneOf(await fixture.opened());
      const texts = Array.from({ length: 37 }, (_, index) => `${index}:${'x'.repeat(index * 1_000)}`);
      await fixture.append(log, ...texts);
      await fixture.append(log, 'y'.repeat(3_000_000));
      const read = await contents(log);
      expect(read.map(([, text]) => text)).toEqual([...texts, 'y'.repeat(3_000_000)]);
      expect(log.sizeBytes).toBeGreaterThan(3_000_000);
    });

    it('reads a page within its bounds and goes on at nextOffset', async () => {
      const log = laneOf(await fixture.opened());
      const [first = 0] = await fixture.append(log, 'aa', 'bb', 'cc', 'dd');
      const byRecords = await log.read(first, { maxRecords: 3, maxBytes: 1_000 });
      expect([byRecords.count, byRecords.nextOffset]).toEqual([3, first + 3]);
      const byBytes = await log.read(first, { maxRecords: 100, maxBytes: 5 });
      expect([byBytes.count, byBytes.nextOffset]).toEqual([2, first + 2]);
      const single = await log.read(first + 1, { maxRecords: 100, maxBytes: 1 });
      expect([single.count, single.offset(0), single.nextOffset]).toEqual([1, first + 1, first + 2]);
    });

    it('reads nothing past the end', async () => {
      const log = laneOf(await fixture.opened());
      await fixture.append(log, 'a');
      const past = await log.read(log.nextOffset + 5, EVERYTHING);
      expect([past.count, past.nextOffset]).toEqual([0, log.nextOffset + 5]);
    });

    it('skips fence records and says that they are settled', async () => {
      await fixture.append(laneOf(await fixture.opened()), 'before');
      const log = laneOf(await fixture.opened({ epoch: 2 }));
      await fixture.append(log, 'after');
      const block = await log.read(0, EVERYTHING);
      expect([block.from, block.nextOffset, block.count]).toEqual([0, log.nextOffset, 2]);
      expect(block.offset(1) - block.offset(0)).toBe(2);
    });

    it('refuses to read below its first offset', async () => {
      const log = laneOf(await fixture.opened());
      const [, second = 0] = await fixture.append(log, 'a', 'b', 'c');
      await log.truncateBefore(second);
      await expect(log.read(second - 1, EVERYTHING)).rejects.toMatchObject({
        kind: 'outOfRange',
        details: { earliest: second, latest: log.nextOffset },
      });
    });

    it('truncates below an offset, never lowers its start, and keeps the last record', async () => {
      const log = laneOf(await fixture.opened());
      const [first = 0] = await fixture.append(log, 'a', 'b', 'c', 'd');
      expect(await log.truncateBefore(first + 2)).toEqual({ kind: 'truncated', firstOffset: first + 2 });
      expect(await log.truncateBefore(first)).toEqual({ kind: 'truncated', firstOffset: first + 2 });
      expect((await contents(log)).map(([, text]) => text)).toEqual(['c', 'd']);
      expect(await log.truncateBefore(first + 1_000)).toEqual({ kind: 'truncated', firstOffset: first + 3 });
      expect((await contents(log)).map(([, text]) => text)).toEqual(['d']);
      expect(await fixture.append(log, 'e')).toEqual([first + 4]);
    });

    it('knows when each record expires, in what was appended and in what is read', async () => {
      const log = laneOf(await fixture.opened());
      const at = (expiresAtMs?: number) => ({
        ...{ record: Buffer.from('x'), keyHash: 0 },
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      });
      const outcome = await log.append(AppendBatch.pack(7, [at(), at(2 ** 43), at(1)]));
      const appended = outcome.kind === 'appended' ? outcome.block.columns : undefined;
      expect([...(appended?.expiresAtMs ?? [])]).toEqual([0, 2 ** 43, 1]);
      await fixture.append(log, 'plain');
      await fixture.restart();
      const again = laneOf(await fixture.opened({ epoch: 2, created: true }));
      const { columns } = await again.read(again.firstOffset, { maxRecords: 100, maxBytes: 1_000 });
      expect([...columns.expiresAtMs]).toEqual([0, 2 ** 43, 1, 0]);
    });

    it('finds the first record of a time: before all, equal, between, after all', async () => {
      const log = laneOf(await fixture.opened());
      expect(await log.offsetAt(0)).toBe(log.nextOffset);
      const [first = 0] = await fixture.append(log, 'a');
      const firstAtMs = log.lastAppendedAtMs;
      await untilTimePasses(fixture, firstAtMs);
      const [second = 0] = await fixture.append(log, 'b');
      const secondAtMs = log.lastAppendedAtMs;
      expect(await log.offsetAt(0)).toBe(first);
      expect(await log.offsetAt(firstAtMs)).toBe(first);
      expect(await log.offsetAt(firstAtMs + 1)).toBe(second);
      expect(await log.offsetAt(secondAtMs)).toBe(second);
      expect(await log.offsetAt(secondAtMs + 60_000)).toBe(log.nextOffset);
    });

    it('keeps lanes apart', async () => {
      const store = await fixture.opened({ lanes: 2 });
      await fixture.append(laneOf(store, 0), 'low');
      await fixture.append(laneOf(store, 1), 'high', 'high');
      expect((await contents(laneOf(store, 0))).map(([, text]) => text)).toEqual(['low']);
      expect((await contents(laneOf(store, 1))).map(([, text]) => text)).toEqual(['high', 'high']);
    });

    it('has everything after a restart, and goes on above it', async () => {
      const log = laneOf(await fixture.opened());
      const [first = 0] = await fixture.append(log, 'a', 'b', 'c');
      await log.truncateBefore(first + 1);
      await fixture.restart();
      const again = laneOf(await fixture.opened({ epoch: 2, created: true }));
      expect(again.firstOffset).toBe(first + 1);
      expect(await contents(again)).toEqual([
        [first + 1, 'b'],
        [first + 2, 'c'],
      ]);
      expect((await fixture.append(again, 'd'))[0]).toBeGreaterThan(first + 3);
    });

    itIf(damage)('reports a record that does not match its checksum, after the good ones before it', async () => {
      const [first = 0] = await fixture.append(laneOf(await fixture.opened()), 'good', 'bad', 'good');
      await fixture.restart(() => fixture.harness.corruptRecord(7, 3, 0, first + 1));
      const log = laneOf(await fixture.opened({ epoch: 2, created: true }));
      const good = await log.read(first, EVERYTHING);
      expect([good.count, good.nextOffset]).toEqual([1, first + 1]);
      await expect(log.read(first + 1, EVERYTHING)).rejects.toMatchObject({
        kind: 'recordCorrupt',
        details: { offset: first + 1 },
      });
      expect((await contents(log, first + 2)).map(([, text]) => text)).toEqual(['good']);
    });

    it('refuses everything once it is closed', async () => {
      const store = await fixture.opened();
      const log = laneOf(store);
      await fixture.append(log, 'a');
      await Promise.all([store.close(), store.close()]);
      expect(await log.append(fixture.batch(['b']))).toMatchObject({ kind: 'refused', error: { kind: 'closed' } });
      await expect(log.read(0, EVERYTHING)).rejects.toMatchObject({ kind: 'closed' });
    });

    it('finishes what it was given before it is closed', async () => {
      const store = await fixture.opened();
      const append = laneOf(store).append(fixture.batch(['a']));
      await store.close();
      expect((await append).kind).toBe('appended');
    });
  });
}

/** Appends to another partition until the store's time has moved on. */
async function untilTimePasses(fixture: StoreFixture, timeMs: number): Promise<void> {
  const other = laneOf(await fixture.opened({ partition: 4 }));
  do {
    await fixture.append(other, 'tick');
  } while (other.lastAppendedAtMs <= timeMs);
}
