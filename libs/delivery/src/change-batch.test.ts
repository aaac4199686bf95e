import { entryAt } from '../test/entries.js';
import { ChangeBatch } from './change-batch.js';
import { type Entry, ENTRY_STATE, FATE, type Fate } from './entry.js';
import type { GroupChange } from './group-state.js';
import { KeyedSequencer } from './keyed-sequencer.js';
import { Lane } from './lane.js';

function decided(offset: number, fate: Fate, more: Partial<Entry> = {}): Entry {
  return Object.assign(entryAt(offset, { keyHash: 5 }), { state: ENTRY_STATE.settling, fate, ...more });
}

function seal(entries: readonly Entry[], lanes = 1): GroupChange[] {
  const batch = new ChangeBatch(1);
  batch.entries.push(...entries);
  const cursorOf = (lane: number): Lane => new Lane({ lane, floor: 0, settled: [] }, new KeyedSequencer('shared'));
  return batch.seal({
    groupId: 9,
    generation: 2,
    storeMs: 1_000,
    lanes: Array.from({ length: lanes }, (_, lane) => cursorOf(lane)),
    holder: undefined,
  });
}

describe('ChangeBatch', () => {
  it('writes one cursor per lane for all its acknowledgements', () => {
    const entries = [0, 1, 3].map((offset) => decided(offset, FATE.done));
    expect(seal(entries)).toEqual([
      { kind: 'cursor', groupId: 9, cursor: { lane: 0, floor: 2, settled: [{ from: 3, to: 4 }], skipped: 0 } },
    ]);
  });

  it('settles a failure in the cursor and writes its retry in the same transaction', () => {
    const [retry, cursor] = seal([decided(0, FATE.retry, { attempts: 1, reason: 'no', dueAtMs: 70 })]);
    const row = { lane: 0, offset: 0, dueAtMs: 70, attempts: 1, strikes: 0, keyHash: 5, reason: 'no', generation: 2 };
    expect(retry).toEqual({ kind: 'retry', groupId: 9, entry: row });
    expect(cursor).toMatchObject({ kind: 'cursor', cursor: { floor: 1 } });
  });

  it('leaves the cursor alone for a stored retry, and removes its row once it is over', () => {
    expect(seal([decided(0, FATE.done, { stored: true })])).toEqual([
      { kind: 'retryDone', groupId: 9, lane: 0, offset: 0 },
    ]);
    expect(seal([decided(0, FATE.retry, { stored: true })]).map(({ kind }) => kind)).toEqual(['retry']);
  });

  it('counts the failures that another attempt follows, not what is struck, parked or over', () => {
    const batch = new ChangeBatch(1);
    const fates = [FATE.retry, FATE.struck, FATE.parked, FATE.dead, FATE.done, FATE.retry];
    batch.entries.push(...fates.map((fate, offset) => decided(offset, fate, { stored: true, attempts: 1 })));
    expect(batch.failed).toBe(2);
  });

  it('writes a dead letter with its reason, attempts and the time of the store, before its retry goes', () => {
    const [dead, done] = seal([decided(0, FATE.dead, { stored: true, attempts: 3, reason: 'poison' })]);
    expect(done?.kind).toBe('retryDone');
    expect(dead).toMatchObject({
      kind: 'deadLetter',
      entry: { offset: 0, attempts: 3, cause: 1, reason: 'poison', diedAtMs: 1_000, keyHash: 5, generation: 2 },
    });
  });
});
