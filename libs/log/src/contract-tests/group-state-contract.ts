/* eslint-disable max-lines-per-function -- a suite, as in a test file */
/// <reference types="jest" />
import type { DeadLetterEntry, RetryEntry } from '@hermes/delivery';

import { itIf, laneOf, type MakeHarness, type StoreAbilities, StoreFixture } from './store-harness.js';

const RETRY: RetryEntry = {
  lane: 0,
  offset: 1,
  dueAtMs: 1_700_000_000_000,
  attempts: 2,
  strikes: 1,
  keyHash: 4_000_000_000,
  reason: 'später',
  generation: 0,
};

const DEAD: DeadLetterEntry = {
  lane: 0,
  offset: 1,
  generation: 0,
  attempts: 16,
  cause: 1,
  reason: 'no',
  keyHash: 5,
  diedAtMs: 1_700_000_000_001,
};

/** What every GroupState does. */
export function describeGroupState(makeHarness: MakeHarness, { joined }: StoreAbilities): void {
  describe('group state', () => {
    let fixture: StoreFixture;
    beforeEach(async () => {
      fixture = await StoreFixture.make(makeHarness);
    });
    afterEach(() => fixture.dispose());

    it('knows no group that was never created', async () => {
      const { groupState } = await fixture.opened();
      expect(await groupState.load(1)).toBeUndefined();
      expect(await groupState.groupIds()).toEqual([]);
      expect(await groupState.counts(1)).toEqual({ retries: 0, deadLetters: [] });
    });

    itIf(joined)('brings floors, ranges, holder and retries back after a restart, per group and lane', async () => {
      const store = await fixture.opened({ lanes: 2 });
      const settled = [
        { from: 120, to: 121 },
        { from: 300, to: 70_000 },
        { from: 2 ** 40, to: 2 ** 40 + 2 },
      ];
      const lanes = [
        { lane: 0, floor: 100, settled, skipped: 0 },
        { lane: 1, floor: 0, settled: [], skipped: 0 },
      ];
      const outcome = await store.groupState.commit([
        { kind: 'created', groupId: 1, lanes },
        { kind: 'created', groupId: 2, lanes: [{ lane: 0, floor: 5, settled: [] }] },
        { kind: 'holder', groupId: 1, consumerEpoch: 2 ** 52 + 1, token: 9 },
        { kind: 'retry', groupId: 1, entry: RETRY },
        { kind: 'retry', groupId: 1, entry: { ...RETRY, lane: 1 } },
      ]);
      expect(outcome).toEqual({ kind: 'committed' });
      await fixture.restart();
      const { groupState } = await fixture.opened({ epoch: 2, created: true });
      expect(await groupState.groupIds()).toEqual([1, 2]);
      expect(await groupState.load(1)).toEqual({
        groupId: 1,
        consumerEpoch: 2 ** 52 + 1,
        token: 9,
        generation: 0,
        lanes,
        retries: [RETRY, { ...RETRY, lane: 1 }],
        inFlight: [],
      });
      expect(await groupState.load(2)).toMatchObject({ consumerEpoch: 0, token: 0, retries: [] });
    });

    it('applies changes in their order, the later one of a row last', async () => {
      const { groupState } = await fixture.opened();
      await groupState.commit([
        { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] },
        { kind: 'retry', groupId: 1, entry: RETRY },
        { kind: 'retry', groupId: 1, entry: { ...RETRY, attempts: 3 } },
        { kind: 'retry', groupId: 1, entry: { ...RETRY, offset: 2 } },
        { kind: 'retryDone', groupId: 1, lane: 0, offset: 2 },
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 1, settled: [{ from: 4, to: 5 }] } },
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 5, settled: [] } },
      ]);
      expect(await groupState.load(1)).toMatchObject({
        lanes: [{ lane: 0, floor: 5, settled: [] }],
        retries: [{ ...RETRY, attempts: 3 }],
      });
      expect(await groupState.counts(1)).toEqual({ retries: 1, deadLetters: [] });
    });

    it('leaves a group alone that is created again', async () => {
      const { groupState } = await fixture.opened();
      await groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 5, settled: [] }] }]);
      await groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
      expect(await groupState.load(1)).toMatchObject({ lanes: [{ floor: 5 }] });
    });

    it('adds a cursor for a lane that is newer than the group, with the same holder', async () => {
      const { groupState } = await fixture.opened({ lanes: 2 });
      await groupState.commit([
        { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 5, settled: [] }] },
        { kind: 'holder', groupId: 1, consumerEpoch: 3, token: 4 },
        { kind: 'cursor', groupId: 1, cursor: { lane: 1, floor: 2, settled: [] } },
      ]);
      expect(await groupState.load(1)).toMatchObject({ consumerEpoch: 3, token: 4, lanes: [{ lane: 0 }, { lane: 1 }] });
    });

    it('stores a dead letter exactly once, with its record, in the transaction that ends its retry', async () => {
      const store = await fixture.opened();
      const [offset = 0] = await fixture.append(laneOf(store), 'poison');
      const entry = { ...DEAD, offset };
      const dead = [
        { kind: 'retryDone', groupId: 1, lane: 0, offset },
        { kind: 'deadLetter', groupId: 1, entry },
      ] as const;
      await store.groupState.commit([
        { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: offset + 1, settled: [] }] },
        { kind: 'retry', groupId: 1, entry: { ...RETRY, offset } },
      ]);
      expect(await store.groupState.commit(dead)).toEqual({ kind: 'committed' });
      expect(await store.groupState.commit(dead)).toEqual({ kind: 'committed' });
      expect(await store.groupState.counts(1)).toEqual({ retries: 0, deadLetters: [1] });
      await fixture.restart();
      const again = await fixture.opened({ epoch: 2, created: true });
      expect(await again.groupState.counts(1)).toEqual({ retries: 0, deadLetters: [1] });
    });

    it('writes all changes of a commit or none', async () => {
      const { groupState } = await fixture.opened();
      await groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
      const outcome = await groupState.commit([
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 900, settled: [] } },
        { kind: 'deadLetter', groupId: 1, entry: { ...DEAD, offset: 899 } },
      ]);
      expect(outcome).toMatchObject({ kind: 'refused', error: { kind: 'dataLoss' } });
      expect(await groupState.load(1)).toMatchObject({ lanes: [{ floor: 0 }] });
      const next = await groupState.commit([{ kind: 'holder', groupId: 1, consumerEpoch: 1, token: 1 }]);
      expect(next).toEqual({ kind: 'committed' });
    });

    it('takes commits that are given at once in their order', async () => {
      const { groupState } = await fixture.opened();
      await groupState.commit([{ kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] }]);
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          groupState.commit([{ kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: index + 1, settled: [] } }]),
        ),
      );
      expect(outcomes.every(({ kind }) => kind === 'committed')).toBe(true);
      expect(await groupState.load(1)).toMatchObject({ lanes: [{ floor: 20 }] });
    });

    describe('dead letters', () => {
      const GROUP = 1;
      const ALL = { maxRecords: 100, maxBytes: 1_000_000 };
      const from = (lane = 0, offset = 0, generation = 0) => ({ from: { lane, offset, generation }, ...ALL });

      /** A store with a group that has given up a message of each text. */
      const buried = async (...texts: readonly string[]) => {
        const store = await fixture.opened({ lanes: 2 });
        const offsets = await fixture.append(laneOf(store), ...texts);
        const floor = (offsets.at(-1) ?? 0) + 1;
        await store.groupState.commit([
          { kind: 'created', groupId: GROUP, lanes: [0, 1].map((lane) => ({ lane, floor, settled: [] })) },
          ...offsets.map((offset) => ({ kind: 'deadLetter', groupId: GROUP, entry: { ...DEAD, offset } }) as const),
        ]);
        return { store, groupState: store.groupState, offsets };
      };
      const textsOf = (letters: readonly { readonly record: Uint8Array }[]): string[] =>
        letters.map(({ record }) => Buffer.from(record).toString());

      it('are read in pages, with their messages, lane by lane', async () => {
        const { groupState, offsets } = await buried('a', 'b', 'c');
        const [first = 0, second = 0] = offsets;
        const letters = await groupState.deadLetters(GROUP, from());
        expect(textsOf(letters)).toEqual(['a', 'b', 'c']);
        expect({ ...letters[0], record: '' }).toEqual({ ...DEAD, offset: first, record: '' });
        expect(textsOf(await groupState.deadLetters(GROUP, { ...from(), maxRecords: 2 }))).toEqual(['a', 'b']);
        expect(textsOf(await groupState.deadLetters(GROUP, { ...from(), maxBytes: 1 }))).toEqual(['a']);
        expect(textsOf(await groupState.deadLetters(GROUP, from(0, second)))).toEqual(['b', 'c']);
        expect(textsOf(await groupState.deadLetters(GROUP, from(0, second, 1)))).toEqual(['c']);
        expect(await groupState.deadLetters(GROUP, from(1))).toEqual([]);
        expect(await groupState.deadLetters(2, from())).toEqual([]);
      });

      it('are redriven as retries of no attempt, once', async () => {
        const { groupState, offsets } = await buried('a', 'b');
        const place = { lane: 0, offset: offsets[0] ?? 0, generation: 0 };
        const redriven = [{ kind: 'redriven', groupId: GROUP, place, dueAtMs: 77 }] as const;
        expect(await groupState.commit(redriven)).toEqual({ kind: 'committed' });
        const fresh = { ...RETRY, ...place, dueAtMs: 77, attempts: 0, strikes: 0, keyHash: DEAD.keyHash, reason: '' };
        expect(await groupState.load(GROUP)).toMatchObject({ retries: [fresh] });
        expect(await groupState.counts(GROUP)).toEqual({ retries: 1, deadLetters: [1] });
        await groupState.commit([{ kind: 'retryDone', groupId: GROUP, lane: 0, offset: place.offset }]);
        expect(await groupState.commit(redriven)).toEqual({ kind: 'committed' });
        expect(await groupState.counts(GROUP)).toEqual({ retries: 0, deadLetters: [1] });
      });

      it('die again with the message that the retry kept', async () => {
        const { groupState, offsets } = await buried('a');
        const place = { lane: 0, offset: offsets[0] ?? 0, generation: 0 };
        expect(await groupState.retryRecord(GROUP, 0, place.offset)).toBeUndefined();
        await groupState.commit([{ kind: 'redriven', groupId: GROUP, place, dueAtMs: 77 }]);
        const copy = await groupState.retryRecord(GROUP, 0, place.offset);
        expect(Buffer.from(copy ?? []).toString()).toBe('a');
        await groupState.commit([
          { kind: 'retryDone', groupId: GROUP, lane: 0, offset: place.offset },
          { kind: 'deadLetter', groupId: GROUP, entry: { ...DEAD, ...place, reason: 'again' } },
        ]);
        const letters = await groupState.deadLetters(GROUP, from());
        expect(letters).toMatchObject([{ ...place, reason: 'again' }]);
        expect(textsOf(letters)).toEqual(['a']);
      });

      it('die again though the log has nothing of them', async () => {
        const { groupState } = await buried('a');
        const place = { lane: 0, offset: 2 ** 40, generation: 0 };
        const entry = { ...DEAD, ...place };
        await groupState.commit([{ kind: 'deadLetter', groupId: GROUP, entry, record: Buffer.from('b') }]);
        await groupState.commit([{ kind: 'redriven', groupId: GROUP, place, dueAtMs: 77 }]);
        const outcome = await groupState.commit([
          { kind: 'deadLetter', groupId: GROUP, entry },
          { kind: 'retryDone', groupId: GROUP, lane: 0, offset: place.offset },
        ]);
        expect(outcome).toEqual({ kind: 'committed' });
        expect(textsOf(await groupState.deadLetters(GROUP, from()))).toEqual(['a', 'b']);
        expect(await groupState.counts(GROUP)).toEqual({ retries: 0, deadLetters: [2] });
      });

      itIf(joined)('take the record that comes with them, as retries do', async () => {
        const { groupState, offsets } = await buried('a');
        const offset = offsets[0] ?? 0;
        const record = Buffer.from('given');
        const outcome = await groupState.commit([
          { kind: 'deadLetter', groupId: GROUP, entry: { ...DEAD, offset: offset + 5 }, record },
          { kind: 'retry', groupId: GROUP, entry: { ...RETRY, offset: offset + 6 }, record },
          { kind: 'retry', groupId: GROUP, entry: { ...RETRY, offset } },
        ]);
        expect(outcome).toEqual({ kind: 'committed' });
        expect(textsOf(await groupState.deadLetters(GROUP, from()))).toEqual(['a', 'given']);
        const retries = [
          { ...RETRY, offset },
          { ...RETRY, offset: offset + 6, hasRecord: true },
        ];
        expect(await groupState.load(GROUP)).toMatchObject({ retries });
        expect(Buffer.from((await groupState.retryRecord(GROUP, 0, offset + 6)) ?? []).toString()).toBe('given');
      });

      it('are found by their age, from either end, whatever their lanes', async () => {
        const { store, groupState, offsets } = await buried('a', 'b');
        const [other = 0] = await fixture.append(laneOf(store, 1), 'c');
        const older = { ...DEAD, lane: 1, offset: other, diedAtMs: DEAD.diedAtMs - 1_000 };
        await groupState.commit([{ kind: 'deadLetter', groupId: GROUP, entry: older }]);
        const place = { lane: 1, offset: other, generation: 0 };
        const found = (first: 'oldest' | 'newest', diedBeforeMs: number, max = 10) =>
          groupState.deadLettersByAge(GROUP, { first, diedBeforeMs, max });
        expect(await found('oldest', DEAD.diedAtMs)).toEqual([place]);
        const all = await found('oldest', Number.MAX_SAFE_INTEGER);
        expect(all[0]).toEqual(place);
        expect(all.slice(1).map(({ offset }) => offset)).toEqual(offsets);
        expect((await found('newest', Number.MAX_SAFE_INTEGER)).at(-1)).toEqual(place);
        expect(await found('oldest', Number.MAX_SAFE_INTEGER, 1)).toEqual([place]);
        expect(await found('newest', Number.MAX_SAFE_INTEGER, 1)).not.toEqual([place]);
        expect(await found('oldest', older.diedAtMs)).toEqual([]);
        expect(await found('newest', older.diedAtMs)).toEqual([]);
      });

      it('are discarded one by one', async () => {
        const { groupState, offsets } = await buried('a', 'b', 'c');
        const place = { lane: 0, offset: offsets[1] ?? 0, generation: 0 };
        await groupState.commit([{ kind: 'deadLetterDone', groupId: GROUP, place }]);
        expect(textsOf(await groupState.deadLetters(GROUP, from()))).toEqual(['a', 'c']);
        expect(await groupState.load(GROUP)).toMatchObject({ retries: [] });
      });
    });

    itIf(joined)(
      'keeps the records of retries that the log is about to lose, and what the group has lost',
      async () => {
        const store = await fixture.opened();
        const [first = 0, second = 0, third = 0, last = 0] = await fixture.append(laneOf(store), 'a', 'b', 'c', 'd');
        const { groupState } = store;
        await groupState.commit([
          { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: first, settled: [] }] },
          ...[first, second, third].map(
            (offset) => ({ kind: 'retry', groupId: 1, entry: { ...RETRY, offset } }) as const,
          ),
          { kind: 'retry', groupId: 2, entry: { ...RETRY, offset: second } },
          { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: last, settled: [], skipped: 7 } },
        ]);
        const keep = { kind: 'keepRecords', groupId: 1, lane: 0, from: first, to: third } as const;
        expect(await groupState.commit([keep])).toEqual({ kind: 'committed' });
        expect(await groupState.commit([keep])).toEqual({ kind: 'committed' });
        await groupState.commit([
          { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: last, settled: [] } },
          { kind: 'retry', groupId: 1, entry: { ...RETRY, offset: first, attempts: 3 } },
        ]);
        await laneOf(store).truncateBefore(last);
        await fixture.restart();
        const again = await fixture.opened({ epoch: 2, created: true });
        expect(await again.groupState.load(1)).toMatchObject({
          lanes: [{ floor: last, skipped: 7 }],
          retries: [
            { offset: first, attempts: 3, hasRecord: true },
            { offset: second, hasRecord: true },
            { ...RETRY, offset: third },
          ],
        });
        const copies = [first, second, third].map((offset) => again.groupState.retryRecord(1, 0, offset));
        const texts = (await Promise.all(copies)).map((copy) => copy && Buffer.from(copy).toString());
        expect(texts).toEqual(['a', 'b', undefined]);
        expect(await again.groupState.retryRecord(2, 0, second)).toBeUndefined();
      },
    );

    it('moves a group in some lanes: another generation, no retries at or above, dead letters kept', async () => {
      const store = await fixture.opened({ lanes: 2 });
      const offsets = await fixture.append(laneOf(store), 'a', 'b', 'c', 'd');
      const [first = 0, second = 0] = offsets;
      const { groupState } = store;
      const cursor = (lane: number, floor: number) => ({ lane, floor, settled: [], skipped: 0 });
      await groupState.commit([
        { kind: 'created', groupId: 1, lanes: [cursor(0, 0), cursor(1, 0)] },
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: second, settled: [{ from: second + 1, to: 90 }] } },
        ...offsets.map((offset) => ({ kind: 'retry', groupId: 1, entry: { ...RETRY, offset } }) as const),
        { kind: 'retry', groupId: 1, entry: { ...RETRY, lane: 1, offset: 50 } },
        { kind: 'deadLetter', groupId: 1, entry: { ...DEAD, offset: first } },
        { kind: 'holder', groupId: 1, consumerEpoch: 7, token: 8 },
      ]);
      const seek = { kind: 'seek', groupId: 1, generation: 1, lanes: [cursor(0, second)] } as const;
      expect(await groupState.commit([seek])).toEqual({ kind: 'committed' });
      await fixture.restart();
      const again = await fixture.opened({ epoch: 2, created: true, lanes: 2 });
      expect(await again.groupState.load(1)).toEqual({
        ...{ groupId: 1, consumerEpoch: 7, token: 8, generation: 1 },
        lanes: [cursor(0, second), cursor(1, 0)],
        retries: [
          { ...RETRY, offset: first },
          { ...RETRY, lane: 1, offset: 50 },
        ],
        inFlight: [],
      });
      expect(await again.groupState.counts(1)).toEqual({ retries: 2, deadLetters: [1] });
    });

    itIf(joined)('keeps what is handed over until something else is, through a restart, per group', async () => {
      const { groupState } = await fixture.opened({ lanes: 2 });
      const delivery = { lane: 1, offset: 2 ** 40, attempt: 3, deliveryNo: 2 ** 31, batch: 7, deadlineAtMs: 2 ** 41 };
      const held = [
        { name: 'a0ff', consumer: 'grüße', deliveries: [delivery, { ...delivery, lane: 0, offset: 0 }] },
        { name: '', consumer: 'c2', deliveries: [] },
      ];
      const lanes = [0, 1].map((lane) => ({ lane, floor: 0, settled: [] }));
      await groupState.commit([
        { kind: 'created', groupId: 1, lanes },
        { kind: 'created', groupId: 2, lanes },
        { kind: 'inFlight', groupId: 1, held },
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 3, settled: [] } },
      ]);
      await fixture.restart();
      const again = await fixture.opened({ epoch: 2, created: true, lanes: 2 });
      expect(await again.groupState.load(1)).toMatchObject({ inFlight: held });
      expect(await again.groupState.load(2)).toMatchObject({ inFlight: [] });
      await again.groupState.commit([{ kind: 'inFlight', groupId: 1, held: [] }]);
      expect(await again.groupState.load(1)).toMatchObject({ inFlight: [] });
    });

    it('forgets a deleted group, also what is settled for it afterwards', async () => {
      const store = await fixture.opened();
      const { groupState } = store;
      await groupState.commit([
        { kind: 'created', groupId: 1, lanes: [{ lane: 0, floor: 0, settled: [] }] },
        { kind: 'created', groupId: 2, lanes: [{ lane: 0, floor: 0, settled: [] }] },
        { kind: 'retry', groupId: 1, entry: RETRY },
        { kind: 'retry', groupId: 2, entry: RETRY },
        { kind: 'deleted', groupId: 1 },
        { kind: 'cursor', groupId: 1, cursor: { lane: 0, floor: 3, settled: [] } },
      ]);
      expect(await groupState.load(1)).toBeUndefined();
      expect(await groupState.groupIds()).toEqual([2]);
      await fixture.restart();
      const again = await fixture.opened({ epoch: 2, created: true });
      expect(await again.groupState.load(1)).toBeUndefined();
      expect(await again.groupState.load(2)).toMatchObject({ retries: [RETRY] });
    });
  });
}
