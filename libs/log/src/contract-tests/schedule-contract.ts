/* eslint-disable max-lines-per-function -- a suite, as in a test file */
/// <reference types="jest" />
import { AppendBatch } from '../append-batch.js';
import type { ScheduleChange, ScheduledRecord } from '../schedule.js';
import { contents, laneOf, type MakeHarness, StoreFixture } from './store-harness.js';

const ALL = { after: undefined, maxRecords: 100, maxBytes: 1_000_000 };

const scheduled = (scheduleId: number, dueAtMs: number, text = `s${scheduleId}`, lane = 0): ScheduleChange => ({
  kind: 'scheduled',
  entry: { scheduleId, dueAtMs, lane, record: Buffer.from(text) },
});

const ZWEI = {
  ...{ scheduleId: 2, dueAtMs: 500, lane: 1, expiresAtMs: 900 },
  identity: { producerId: 2 ** 53 - 1, sequence: 2 ** 52 + 1 },
};

const idsOf = (records: readonly ScheduledRecord[]): number[] => records.map(({ scheduleId }) => scheduleId);

/** What every Schedule does. */
export function describeSchedule(makeHarness: MakeHarness): void {
  describe('schedule', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    it('is empty at first', async () => {
      const { schedule } = await fixture.opened({ lanes: 2 });
      expect({ nextId: schedule.nextId, marks: [...schedule.marks] }).toEqual({ nextId: 1, marks: [0, 0] });
      expect(await schedule.read(ALL)).toEqual([]);
      expect(await schedule.counts()).toEqual([]);
      expect(await schedule.has(1)).toBe(false);
    });

    it('gives what waits in the order of its times, page by page, through a restart', async () => {
      const { schedule } = await fixture.opened({ lanes: 2 });
      const outcome = await schedule.commit([
        scheduled(1, 2 ** 45),
        { kind: 'scheduled', entry: { ...ZWEI, record: Buffer.from('zwei') } },
        scheduled(3, 500),
        scheduled(4, 100),
      ]);
      expect(outcome).toEqual({ kind: 'committed' });
      await fixture.restart();
      const again = (await fixture.opened({ lanes: 2, epoch: 2, created: true })).schedule;
      expect(again.nextId).toBe(5);
      const records = await again.read(ALL);
      expect(idsOf(records)).toEqual([4, 2, 3, 1]);
      expect({ ...records[1], record: Buffer.from(records[1]?.record ?? []).toString() }).toEqual({
        ...{ ...ZWEI, record: 'zwei' },
      });
      expect(idsOf(await again.read({ ...ALL, maxRecords: 2 }))).toEqual([4, 2]);
      expect(idsOf(await again.read({ ...ALL, maxBytes: 1 }))).toEqual([4]);
      expect(idsOf(await again.read({ ...ALL, after: { dueAtMs: 500, scheduleId: 2 } }))).toEqual([3, 1]);
      expect(await again.counts()).toEqual([3, 1]);
      expect([await again.has(2), await again.has(5)]).toEqual([true, false]);
    });

    it('uses no id twice, though nothing waits any more', async () => {
      const { schedule } = await fixture.opened();
      await schedule.commit([scheduled(1, 1), scheduled(2, 2)]);
      await schedule.commit([{ kind: 'unscheduled', scheduleIds: [1, 2] }]);
      expect(await schedule.counts()).toEqual([]);
      await fixture.restart();
      expect((await fixture.opened({ epoch: 2, created: true })).schedule.nextId).toBe(3);
    });

    it('tells which schedules the records of a lane were, and keeps where to look', async () => {
      const store = await fixture.opened({ lanes: 2 });
      await fixture.append(laneOf(store), 'plain');
      const promoted = (scheduleId: number) => ({ record: Buffer.from(`s${scheduleId}`), keyHash: 0, scheduleId });
      const plain = { record: Buffer.from('plain'), keyHash: 0 };
      const mixed = [{ ...promoted(7), refKey: Buffer.from('ref') }, plain, promoted(2 ** 50)];
      const outcome = await laneOf(store).append(AppendBatch.pack(99, mixed));
      expect(outcome).toMatchObject({ kind: 'appended' });
      expect(await store.schedule.promotedFrom(0, 0)).toEqual([7, 2 ** 50]);
      expect(await store.schedule.promotedFrom(0, 3)).toEqual([2 ** 50]);
      expect(await store.schedule.promotedFrom(1, 0)).toEqual([]);
      expect((await contents(laneOf(store))).map(([, text]) => text)).toEqual(['plain', 's7', 'plain', `s${2 ** 50}`]);
      await store.schedule.commit([{ kind: 'mark', mark: { lane: 0, offset: 3 } }]);
      await fixture.restart();
      const again = await fixture.opened({ lanes: 2, epoch: 2, created: true });
      expect([...again.schedule.marks]).toEqual([3, 0]);
    });

    it('is fenced like the groups, and shares their order', async () => {
      const old = await fixture.opened();
      await Promise.all([
        old.schedule.commit([scheduled(1, 1)]),
        old.groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]),
        old.schedule.commit([scheduled(2, 1)]),
      ]);
      const next = await fixture.opened({ epoch: 2, created: true });
      expect(await old.schedule.commit([scheduled(3, 1)])).toMatchObject({ kind: 'fenced' });
      expect(idsOf(await next.schedule.read(ALL))).toEqual([1, 2]);
    });

    it('goes with its partition', async () => {
      const { schedule } = await fixture.opened();
      await schedule.commit([scheduled(1, 1)]);
      await fixture.engine.deletePartition(7, 3);
      const again = await fixture.opened({ epoch: 2 });
      expect(await again.schedule.read(ALL)).toEqual([]);
    });
  });
}
