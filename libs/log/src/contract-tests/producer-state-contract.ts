/// <reference types="jest" />
import { crc32 } from 'node:zlib';

import { AppendBatch, type NewRecord, type PublishIdentity } from '../append-batch.js';
import { laneOf, type MakeHarness, StoreFixture } from './store-harness.js';

const BIG = { producerId: 2 ** 53 - 1, sequence: 2 ** 52 + 7 };
const CHECKSUM = crc32('x');

const record = (identity?: PublishIdentity, scheduleId?: number): NewRecord => ({
  ...{ record: Buffer.from('x'), keyHash: 0 },
  ...(identity === undefined ? {} : { identity }),
  ...(scheduleId === undefined ? {} : { scheduleId }),
});

/** What every ProducerState does. */
export function describeProducerState(makeHarness: MakeHarness): void {
  describe('producer state', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    it('has no snapshot at first, and keeps the last one', async () => {
      const { producers } = await fixture.opened();
      expect(await producers.load()).toBeUndefined();
      expect(await producers.save(Buffer.from('first'))).toEqual({ kind: 'committed' });
      expect(await producers.save(Buffer.alloc(3_000_000, 7))).toEqual({ kind: 'committed' });
      await fixture.restart();
      const again = (await fixture.opened({ epoch: 2, created: true })).producers;
      expect(Buffer.from((await again.load()) ?? []).equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    });

    it('lets a stale owner save nothing', async () => {
      const stale = await fixture.opened();
      await stale.producers.save(Buffer.from('ours'));
      const { producers } = await fixture.opened({ epoch: 2, created: true });
      expect(await stale.producers.save(Buffer.from('stale'))).toMatchObject({ kind: 'fenced', epoch: 2 });
      expect(Buffer.from((await producers.load()) ?? []).toString()).toBe('ours');
    });

    it('tells who published what of a lane, by offset, and leaves out the rest', async () => {
      const store = await fixture.opened({ lanes: 2 });
      await fixture.append(laneOf(store), 'plain');
      const first = laneOf(store).nextOffset;
      await laneOf(store).append(
        AppendBatch.pack(5, [record({ producerId: 4, sequence: 1 }), record(), record(BIG, 3)]),
      );
      await fixture.append(laneOf(store), 'plain');
      await fixture.restart();
      const { producers } = await fixture.opened({ lanes: 2, epoch: 2, created: true });
      const four = { identity: { producerId: 4, sequence: 1 }, lane: 0, offset: first, scheduleId: undefined };
      const big = { identity: BIG, lane: 0, offset: first + 2, scheduleId: 3 };
      const found = await producers.appendedFrom(0, 0, 10);
      expect(found).toEqual(
        [four, big].map((one) => expect.objectContaining({ ...one, checksum: CHECKSUM }) as unknown),
      );
      expect(found[0]?.appendedAtMs).toBeGreaterThan(0);
      expect(await producers.appendedFrom(0, 0, 1)).toMatchObject([four]);
      expect(await producers.appendedFrom(0, first + 1, 10)).toMatchObject([big]);
      expect(await producers.appendedFrom(1, 0, 10)).toEqual([]);
    });

    it('tells who published what waits for its time', async () => {
      const { schedule, producers } = await fixture.opened({ lanes: 2 });
      const waits = (scheduleId: number, identity?: PublishIdentity) => ({
        kind: 'scheduled' as const,
        entry: { scheduleId, dueAtMs: 500 - scheduleId, lane: 1, ...record(identity) },
      });
      await schedule.commit([waits(1, { producerId: 4, sequence: 1 }), waits(2), waits(3, BIG)]);
      const one = { identity: { producerId: 4, sequence: 1 }, lane: 1, offset: undefined, scheduleId: 1 };
      const three = { ...one, identity: BIG, scheduleId: 3 };
      expect(await producers.scheduledFrom(0, 10)).toEqual(
        [one, three].map((each) => ({ ...each, checksum: CHECKSUM, appendedAtMs: 0 })),
      );
      expect(await producers.scheduledFrom(0, 1)).toMatchObject([one]);
      expect(await producers.scheduledFrom(2, 10)).toMatchObject([three]);
    });
  });
}
