/* eslint-disable max-lines-per-function -- a suite, as in a test file */
/// <reference types="jest" />
import { crc32 } from 'node:zlib';

import type { DeadLetterEntry, GroupChange, RetryEntry } from '@hermes/delivery';

import type { GroupState } from '../group-state.js';
import type { ScheduleChange } from '../schedule.js';
import { laneOf, type MakeHarness, REQUEST, StoreFixture } from './store-harness.js';

const GROUP = 1;

const RETRY: RetryEntry = {
  lane: 0,
  offset: 7,
  dueAtMs: 1_700_000_000_000,
  attempts: 2,
  strikes: 1,
  keyHash: 4_000_000_000,
  reason: 'später',
  generation: 0,
};

const DEAD: DeadLetterEntry = {
  lane: 0,
  offset: 7,
  generation: 0,
  attempts: 16,
  cause: 1,
  reason: 'no',
  keyHash: 5,
  diedAtMs: 1_700_000_000_001,
};

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const ALL = { maxRecords: 100, maxBytes: 10_000_000 };

const created = (lanes: number, floor = 0): GroupChange => ({
  ...{ kind: 'created', groupId: GROUP },
  lanes: Array.from({ length: lanes }, (_, lane) => ({ lane, floor, settled: [], skipped: 0 })),
});
const retry = (offset: number, record?: Uint8Array, change: Partial<RetryEntry> = {}): GroupChange => ({
  ...{ kind: 'retry', groupId: GROUP, entry: { ...RETRY, offset, ...change } },
  ...(record === undefined ? {} : { record }),
});
const retryDone = (offset: number): GroupChange => ({ kind: 'retryDone', groupId: GROUP, lane: 0, offset });
const dead = (offset: number, record?: Uint8Array): GroupChange => ({
  ...{ kind: 'deadLetter', groupId: GROUP, entry: { ...DEAD, offset } },
  ...(record === undefined ? {} : { record }),
});
const scheduled = (scheduleId: number, lane = 0): ScheduleChange => ({
  kind: 'scheduled',
  entry: { scheduleId, dueAtMs: 500, lane, record: EVERY_BYTE, identity: { producerId: 4, sequence: scheduleId } },
});

/** A part of a larger buffer, as a record of a block is. */
const viewOf = (record: Uint8Array): Uint8Array => Buffer.concat([Buffer.alloc(100), record]).subarray(100);
const hex = (record: Uint8Array | undefined): string | undefined => record && Buffer.from(record).toString('hex');

const recordsOf = async (groupState: GroupState, offsets: readonly number[]): Promise<(string | undefined)[]> =>
  Promise.all(offsets.map(async (offset) => hex(await groupState.retryRecord(GROUP, 0, offset))));
const deadRecordsOf = async (groupState: GroupState): Promise<[number, string | undefined][]> => {
  const from = { lane: 0, offset: 0, generation: 0 };
  const letters = await groupState.deadLetters(GROUP, { from, ...ALL });
  return letters.map(({ offset, record }) => [offset, hex(record)]);
};

/** What a store does with a partition whose messages are kept in another one. */
export function describeStateOnly(makeHarness: MakeHarness): void {
  describe('state alone', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    const opened: StoreFixture['opened'] = (change) => fixture.opened({ stateOnly: true, ...change });
    const refused = async (change: Partial<typeof REQUEST>): Promise<unknown> =>
      fixture.engine.openPartition({ ...REQUEST, ...change });

    it('comes back after a restart, with no lane made, however far the other log goes', async () => {
      const store = await opened({ lanes: 2 });
      expect(store).toMatchObject({ topicId: 7, partition: 3, epoch: 1, lanes: [] });
      expect({ nextId: store.schedule.nextId, marks: [...store.schedule.marks] }).toEqual({ nextId: 1, marks: [0, 0] });
      await store.groupState.commit([created(2, 5_000)]);
      await store.schedule.commit([scheduled(1), scheduled(2, 1)]);
      await store.schedule.commit([{ kind: 'mark', mark: { lane: 1, offset: 4_000 } }]);
      await store.producers.save(EVERY_BYTE);
      await fixture.restart(async () => {
        const message = expect.stringMatching('t7_p3_l0') as unknown;
        await expect(fixture.harness.loseLane(7, 3, 0)).rejects.toMatchObject({ message });
      });
      const again = await opened({ lanes: 2, epoch: 2, created: true });
      expect(again.lanes).toEqual([]);
      expect(Buffer.from(again.receiptKey)).toEqual(Buffer.from(store.receiptKey));
      expect(await again.groupState.load(GROUP)).toMatchObject({ lanes: [{ floor: 5_000 }, { floor: 5_000 }] });
      expect({ nextId: again.schedule.nextId, marks: [...again.schedule.marks] }).toEqual({
        ...{ nextId: 3, marks: [0, 4_000] },
      });
      const records = await again.schedule.read({ after: undefined, ...ALL });
      expect(records.map(({ scheduleId, record }) => [scheduleId, hex(record)])).toEqual(
        [1, 2].map((id) => [id, hex(EVERY_BYTE)]),
      );
      expect(hex(await again.producers.load())).toBe(hex(EVERY_BYTE));
      expect(await again.producers.scheduledFrom(2, 10)).toMatchObject([
        { scheduleId: 2, lane: 1, checksum: crc32(EVERY_BYTE) },
      ]);
    });

    it('is fenced by the epoch of its newest opener', async () => {
      const old = await opened();
      await old.groupState.commit([created(1)]);
      const fresh = await opened({ epoch: 5, created: true });
      const fenced = { kind: 'fenced', epoch: 5 };
      expect(await old.groupState.commit([retry(1, EVERY_BYTE)])).toEqual(fenced);
      expect(await old.schedule.commit([scheduled(1)])).toEqual(fenced);
      expect(await old.producers.save(EVERY_BYTE)).toEqual(fenced);
      for (const epoch of [4, 5]) {
        expect(await refused({ stateOnly: true, epoch, created: true })).toEqual({ kind: 'epochTooLow', observed: 5 });
      }
      expect(await fresh.groupState.commit([retry(1, EVERY_BYTE)])).toEqual({ kind: 'committed' });
    });

    it('keeps the records that come with retries byte for byte, and loses none when they fail again', async () => {
      const { groupState } = await opened();
      const large = Buffer.alloc(1_500_000, 0xc3);
      await groupState.commit([
        created(1),
        ...[retry(1, EVERY_BYTE), retry(2, viewOf(EVERY_BYTE)), retry(3, large), retry(4, large), retry(5)],
        ...[retry(6, Buffer.from('kept')), retry(6, undefined, { attempts: 3 })],
        ...[retry(7, Buffer.from('gone')), retryDone(7), retry(8, new Uint8Array())],
      ]);
      await groupState.commit([
        retry(1, undefined, { attempts: 9, dueAtMs: 11 }),
        retry(2, Buffer.from('another'), { attempts: 9 }),
        retry(5, viewOf(Buffer.from('later'))),
      ]);
      await fixture.restart();
      const again = await opened({ epoch: 2, created: true });
      const found = await again.groupState.load(GROUP);
      expect(found?.retries).toEqual([
        { ...RETRY, offset: 1, attempts: 9, dueAtMs: 11 },
        { ...RETRY, offset: 2, attempts: 9 },
        ...[3, 4, 5].map((offset) => ({ ...RETRY, offset })),
        { ...RETRY, offset: 6, attempts: 3 },
        { ...RETRY, offset: 8 },
      ]);
      const texts = ['later', 'kept'].map((text) => hex(Buffer.from(text)));
      const [first, second, third, fourth, ...others] = await recordsOf(again.groupState, [1, 2, 3, 4, 5, 6, 7, 8]);
      expect([first, second]).toEqual([hex(EVERY_BYTE), hex(EVERY_BYTE)]);
      expect([third === hex(large), fourth === hex(large)]).toEqual([true, true]);
      expect(others).toEqual([...texts, undefined, '']);
    });

    it('says of a retry that it has its record only once the log has lost it or it was a dead letter', async () => {
      const { groupState } = await opened({ lanes: 2 });
      await groupState.commit([
        created(2),
        ...[1, 2, 3, 4].map((offset) => retry(offset, EVERY_BYTE)),
        retry(2, EVERY_BYTE, { lane: 1 }),
        dead(5, EVERY_BYTE),
      ]);
      await groupState.commit([
        { kind: 'keepRecords', groupId: GROUP, lane: 0, from: 2, to: 4 },
        { kind: 'redriven', groupId: GROUP, place: { lane: 0, offset: 5, generation: 0 }, dueAtMs: 1 },
      ]);
      await groupState.commit([2, 5].map((offset) => retry(offset, undefined, { attempts: 4 })));
      await fixture.restart();
      const again = await opened({ lanes: 2, epoch: 2, created: true });
      const retries = (await again.groupState.load(GROUP))?.retries ?? [];
      expect(retries.map(({ lane, offset, hasRecord = false }) => [lane, offset, hasRecord])).toEqual([
        ...[1, 2, 3, 4, 5].map((offset) => [0, offset, [2, 3, 5].includes(offset)]),
        [1, 2, false],
      ]);
      expect(await recordsOf(again.groupState, [1, 2, 3, 4, 5])).toEqual(Array(5).fill(hex(EVERY_BYTE)));
    });

    it('stores a dead letter with the record that comes with it, or that its retry keeps, once', async () => {
      const { groupState } = await opened();
      const copied = Buffer.from('copied');
      await groupState.commit([created(1), retry(2, copied)]);
      const changes = [
        ...[dead(1, viewOf(EVERY_BYTE)), dead(2), retryDone(2)],
        ...[retry(3, copied), dead(3), retryDone(3)],
      ];
      expect(await groupState.commit(changes)).toEqual({ kind: 'committed' });
      expect(await groupState.commit([dead(1, copied), dead(2), retryDone(2)])).toEqual({ kind: 'committed' });
      await fixture.restart();
      const again = await opened({ epoch: 2, created: true });
      expect(await again.groupState.counts(GROUP)).toEqual({ retries: 0, deadLetters: [3] });
      expect(await deadRecordsOf(again.groupState)).toEqual([
        [1, hex(EVERY_BYTE)],
        ...[2, 3].map((offset) => [offset, hex(copied)]),
      ]);
    });

    it('lets what was redriven die again with its record', async () => {
      const { groupState } = await opened();
      await groupState.commit([created(1), dead(1, EVERY_BYTE)]);
      await groupState.commit([
        { kind: 'redriven', groupId: GROUP, place: { lane: 0, offset: 1, generation: 0 }, dueAtMs: 1 },
      ]);
      expect(await deadRecordsOf(groupState)).toEqual([]);
      await groupState.commit([dead(1), retryDone(1)]);
      expect(await deadRecordsOf(groupState)).toEqual([[1, hex(EVERY_BYTE)]]);
    });

    it('refuses a dead letter whose record is nowhere, with all that is committed with it', async () => {
      const { groupState } = await opened();
      await groupState.commit([created(1), retry(2)]);
      for (const offset of [1, 2]) {
        const outcome = await groupState.commit([retry(9, EVERY_BYTE), dead(offset)]);
        expect(outcome).toMatchObject({ kind: 'refused', error: { kind: 'dataLoss' } });
      }
      expect(await groupState.counts(GROUP)).toEqual({ retries: 1, deadLetters: [] });
      expect(await groupState.commit([dead(1, EVERY_BYTE)])).toEqual({ kind: 'committed' });
    });

    it('reads no log', async () => {
      const { schedule, producers } = await opened();
      await expect(schedule.promotedFrom(0, 0)).rejects.toMatchObject({ kind: 'unsupported' });
      await expect(producers.appendedFrom(0, 0, 10)).rejects.toMatchObject({ kind: 'unsupported' });
    });

    it('knows a lane that the topic got since from its first mark on, and forgets none', async () => {
      const store = await opened();
      await store.groupState.commit([created(1, 9)]);
      await store.schedule.commit([{ kind: 'mark', mark: { lane: 0, offset: 8 } }]);
      const more = await opened({ epoch: 2, created: true, lanes: 3 });
      expect([...more.schedule.marks]).toEqual([8]);
      const cursor = { lane: 2, floor: 6, settled: [], skipped: 0 };
      await more.groupState.commit([{ kind: 'cursor', groupId: GROUP, cursor }]);
      const marks = [0, 5].map((offset, nth) => ({ kind: 'mark', mark: { lane: nth + 1, offset } }) as const);
      await more.schedule.commit([scheduled(1, 2), ...marks]);
      const again = await opened({ epoch: 3, created: true });
      expect([...again.schedule.marks]).toEqual([8, 0, 5]);
      expect(await again.groupState.load(GROUP)).toMatchObject({ lanes: [{ floor: 9 }, cursor] });
      expect(await again.schedule.counts()).toEqual([0, 0, 1]);
    });

    it('is data loss if it was created and is not there', async () => {
      await opened();
      await fixture.restart(() => fixture.harness.loseState(7, 3));
      expect(await refused({ stateOnly: true, epoch: 2, created: true })).toMatchObject({ kind: 'dataLoss' });
      expect(await refused({ stateOnly: true, partition: 9, created: true })).toMatchObject({ kind: 'dataLoss' });
    });

    it('is never mixed with a log, which neither opening changes', async () => {
      const [whole, state] = [await fixture.opened({ partition: 5 }), await opened()];
      await fixture.append(laneOf(whole), 'a');
      for (const change of [{ partition: 5, stateOnly: true }, { partition: 3 }]) {
        for (const wasCreated of [false, true]) {
          expect(await refused({ ...change, epoch: 2, created: wasCreated })).toMatchObject({ kind: 'dataLoss' });
        }
      }
      expect(await state.groupState.commit([created(1)])).toEqual({ kind: 'committed' });
      await fixture.append(laneOf(whole), 'b');
      await fixture.restart(() => fixture.harness.loseState(7, 5));
      expect(await refused({ partition: 5, stateOnly: true, epoch: 2 })).toMatchObject({ kind: 'dataLoss' });
      expect((await opened({ epoch: 2, created: true })).epoch).toBe(2);
    });

    it('goes with its partition, and only that', async () => {
      const [store, other] = [await opened({ lanes: 2 }), await opened({ partition: 5 })];
      for (const { groupState, schedule, producers } of [store, other]) {
        await groupState.commit([created(1), retry(1, EVERY_BYTE), dead(2, EVERY_BYTE)]);
        await schedule.commit([scheduled(1), { kind: 'mark', mark: { lane: 0, offset: 8 } }]);
        await producers.save(EVERY_BYTE);
      }
      await store.close();
      await fixture.engine.deletePartition(7, 3);
      await fixture.engine.deletePartition(7, 3);
      const fresh = await opened();
      expect(await fresh.groupState.groupIds()).toEqual([]);
      expect(await fresh.groupState.counts(GROUP)).toEqual({ retries: 0, deadLetters: [] });
      expect([fresh.schedule.nextId, ...fresh.schedule.marks]).toEqual([1, 0]);
      expect(await fresh.schedule.counts()).toEqual([]);
      expect(await fresh.producers.load()).toBeUndefined();
      expect(await other.groupState.counts(GROUP)).toEqual({ retries: 1, deadLetters: [1] });
      expect(await other.schedule.counts()).toEqual([1]);
    });

    it('loses what a deleted group had', async () => {
      const { groupState } = await opened();
      await groupState.commit([created(1), retry(1, EVERY_BYTE), dead(2, EVERY_BYTE)]);
      await groupState.commit([{ kind: 'deleted', groupId: GROUP }]);
      await fixture.restart();
      const again = await opened({ epoch: 2, created: true });
      expect(await again.groupState.load(GROUP)).toBeUndefined();
      expect(await again.groupState.groupIds()).toEqual([]);
    });
  });
}
