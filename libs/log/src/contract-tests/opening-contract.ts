/* eslint-disable max-lines-per-function -- a suite, as in a test file */
/// <reference types="jest" />
import {
  contents,
  EVERYTHING,
  itIf,
  laneOf,
  type MakeHarness,
  REQUEST,
  type StoreAbilities,
  StoreFixture,
} from './store-harness.js';

/** Creation, epochs, fencing and the recognition of lost data. */
export function describeOpening(makeHarness: MakeHarness, { appendFence, damage }: StoreAbilities): void {
  describe('opening', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    it('makes a partition that was never created, with a receipt key that stays', async () => {
      const store = await fixture.opened();
      expect(store).toMatchObject({ topicId: 7, partition: 3, epoch: 1 });
      expect(store.receiptKey).toHaveLength(32);
      await fixture.restart();
      const again = await fixture.opened({ epoch: 2, created: true });
      expect(Buffer.from(again.receiptKey)).toEqual(Buffer.from(store.receiptKey));
      const other = await fixture.opened({ partition: 4 });
      expect(Buffer.from(other.receiptKey)).not.toEqual(Buffer.from(store.receiptKey));
    });

    it('refuses an epoch that is not above the highest seen, and writes nothing', async () => {
      const store = await fixture.opened({ epoch: 5 });
      const { nextOffset } = laneOf(store);
      for (const epoch of [4, 5]) {
        const outcome = await fixture.engine.openPartition({ ...REQUEST, epoch, created: true });
        expect(outcome).toEqual({ kind: 'epochTooLow', observed: 5 });
      }
      expect(await fixture.append(laneOf(store), 'still mine')).toEqual([nextOffset]);
    });

    itIf(appendFence)('fences appends of the older of two openers, and loses none of both', async () => {
      const old = laneOf(await fixture.opened({ epoch: 1 }));
      await fixture.append(old, 'old');
      const fresh = laneOf(await fixture.opened({ epoch: 2 }));
      expect(await old.append(fixture.batch(['stale']))).toEqual({ kind: 'fenced', epoch: 2 });
      await fixture.append(fresh, 'new');
      expect(await old.append(fixture.batch(['stale']))).toEqual({ kind: 'fenced', epoch: 2 });
      expect((await contents(fresh)).map(([, text]) => text)).toEqual(['old', 'new']);
    });

    itIf(appendFence)(
      'answers each append that races a take-over truly: stored below the fence, or fenced',
      async () => {
        const old = laneOf(await fixture.opened({ epoch: 1 }));
        const stored: string[] = [];
        const write = async (): Promise<void> => {
          for (let number = 0; ; number += 1) {
            const outcome = await old.append(fixture.batch([`old ${number}`]));
            if (outcome.kind !== 'appended') {
              expect(outcome).toEqual({ kind: 'fenced', epoch: 2 });
              return;
            }
            stored.push(`old ${number}`);
          }
        };
        const writing = write();
        const fresh = laneOf(await fixture.opened({ epoch: 2 }));
        await writing;
        await fixture.append(fresh, 'new');
        expect((await contents(fresh)).map(([, text]) => text)).toEqual([...stored, 'new']);
      },
    );

    it('fences group state of the older of two openers', async () => {
      const old = await fixture.opened({ epoch: 1 });
      const fresh = await fixture.opened({ epoch: 2 });
      const created = { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 9, settled: [] }] } as const;
      expect(await old.groupState.commit([created])).toEqual({ kind: 'fenced', epoch: 2 });
      expect(await fresh.groupState.load(1)).toBeUndefined();
      expect(await fresh.groupState.commit([created])).toEqual({ kind: 'committed' });
    });

    itIf(appendFence)(
      'fences truncation by the older of two openers, and never frees an offset for its appends',
      async () => {
        const old = laneOf(await fixture.opened({ epoch: 1 }));
        await fixture.append(old, 'a', 'b');
        const fresh = laneOf(await fixture.opened({ epoch: 2 }));
        expect(await old.truncateBefore(2)).toEqual({ kind: 'fenced', epoch: 2 });
        await fixture.append(fresh, 'c', 'd');
        await fresh.truncateBefore(fresh.nextOffset - 1);
        expect((await old.append(fixture.batch(['stale']))).kind).not.toBe('appended');
      },
    );

    itIf(appendFence)('lets one fenced partition fail alone', async () => {
      const old = laneOf(await fixture.opened({ epoch: 1 }));
      await fixture.opened({ epoch: 2 });
      const others = await Promise.all([0, 2, 5, 9].map((partition) => fixture.opened({ partition })));
      const outcomes = await Promise.all([
        old.append(fixture.batch(['stale'])),
        ...others.map((store) => laneOf(store).append(fixture.batch(['good']))),
      ]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(['fenced', ...others.map(() => 'appended')]);
    });

    it('makes new lanes when the topic got more, and keeps the old ones', async () => {
      await fixture.append(laneOf(await fixture.opened()), 'a');
      const store = await fixture.opened({ epoch: 2, created: true, lanes: 3 });
      expect(store.lanes.map(({ lane }) => lane)).toEqual([0, 1, 2]);
      expect((await contents(laneOf(store))).map(([, text]) => text)).toEqual(['a']);
      expect(await contents(laneOf(store, 2))).toEqual([]);
      expect((await fixture.opened({ epoch: 3, created: true, lanes: 1 })).lanes).toHaveLength(3);
    });

    it('finds data loss: created, but no state', async () => {
      await fixture.append(laneOf(await fixture.opened()), 'a');
      await fixture.restart(() => fixture.harness.loseState(7, 3));
      const outcome = await fixture.engine.openPartition({ ...REQUEST, epoch: 2, created: true });
      expect(outcome.kind).toBe('dataLoss');
      const never = await fixture.engine.openPartition({ ...REQUEST, partition: 8, epoch: 2, created: true });
      expect(never.kind).toBe('dataLoss');
    });

    it('finds data loss: a lane is gone, and makes none anew', async () => {
      await fixture.opened({ lanes: 2 });
      await fixture.restart(() => fixture.harness.loseLane(7, 3, 1));
      for (const epoch of [2, 3]) {
        const outcome = await fixture.engine.openPartition({ ...REQUEST, lanes: 2, epoch, created: true });
        expect(outcome.kind).toBe('dataLoss');
      }
    });

    itIf(damage)('finds data loss: the log ends below its first offset', async () => {
      const log = laneOf(await fixture.opened());
      const [first = 0] = await fixture.append(log, 'a', 'b', 'c');
      await log.truncateBefore(first + 1);
      await fixture.restart(() => fixture.harness.loseRecordsFrom(7, 3, 0, first));
      const outcome = await fixture.engine.openPartition({ ...REQUEST, epoch: 2, created: true });
      expect(outcome.kind).toBe('dataLoss');
    });

    itIf(damage)('never names two messages by one offset when settled records were lost', async () => {
      const store = await fixture.opened();
      const [first = 0] = await fixture.append(laneOf(store), 'a', 'b', 'c');
      const settled = [{ from: first + 2, to: first + 3 }];
      const cursor = { lane: 0, floor: first + 1, settled };
      await store.groupState.commit([{ kind: 'created', groupId: 1, lanes: [cursor] }]);
      await fixture.restart(() => fixture.harness.loseRecordsFrom(7, 3, 0, first + 1));
      const log = laneOf(await fixture.opened({ epoch: 2, created: true }));
      expect((await fixture.append(log, 'd'))[0]).toBeGreaterThan(first + 2);
      const block = await log.read(first + 1, EVERYTHING);
      expect([block.count, block.nextOffset]).toEqual([1, log.nextOffset]);
    });

    it('deletes a partition with all that it holds, and only that', async () => {
      const store = await fixture.opened();
      const other = await fixture.opened({ partition: 5 });
      await fixture.append(laneOf(store), 'a');
      await fixture.append(laneOf(other), 'b');
      await store.close();
      await fixture.engine.deletePartition(7, 3);
      await fixture.engine.deletePartition(7, 3);
      const fresh = await fixture.opened();
      expect(await contents(laneOf(fresh))).toEqual([]);
      expect(await fresh.groupState.groupIds()).toEqual([]);
      expect((await contents(laneOf(other))).map(([, text]) => text)).toEqual(['b']);
    });
  });
}
