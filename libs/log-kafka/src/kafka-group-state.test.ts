import { DEAD_LETTER_CAUSE, type GroupChange, type GroupSnapshot } from '@hermes/delivery';
import type { GroupState } from '@hermes/log';

import { KafkaGroupState } from './kafka-group-state.js';

const SNAPSHOT: GroupSnapshot = {
  ...{ groupId: 1, consumerEpoch: 0, token: 0, generation: 0 },
  ...{ lanes: [{ lane: 0, floor: 0, settled: [] }], retries: [], inFlight: [] },
};
const RECORD = Buffer.from('record');

/** The state of groups whose log holds the records at `kept`; retries keep copies of those at `copied`. */
function make({ kept = [], copied = [] }: { readonly kept?: number[]; readonly copied?: number[] } = {}) {
  const loaded: number[] = [];
  const committed: GroupChange[] = [];
  const state: Pick<GroupState, 'load' | 'commit' | 'retryRecord'> = {
    load: (groupId) => {
      loaded.push(groupId);
      return Promise.resolve(undefined);
    },
    commit: (changes) => {
      committed.push(...changes);
      return Promise.resolve({ kind: 'committed' });
    },
    retryRecord: (_group, _lane, offset) => Promise.resolve(copied.includes(offset) ? RECORD : undefined),
  };
  const recordsAt = (offsets: readonly number[]): Promise<Map<number, Uint8Array>> =>
    Promise.resolve(new Map(offsets.filter((offset) => kept.includes(offset)).map((offset) => [offset, RECORD])));
  const groups = new KafkaGroupState(state as GroupState, [{ recordsAt, nextOffset: 10 }], [SNAPSHOT]);
  return { groups, loaded, committed };
}

const entry = (offset: number) => ({
  ...{ lane: 0, offset, attempts: 1, strikes: 0, keyHash: 0, reason: '', generation: 0, dueAtMs: 0 },
  ...{ cause: DEAD_LETTER_CAUSE.attempts, diedAtMs: 0 },
});
const retry = (offset: number): GroupChange => ({ kind: 'retry', groupId: 1, entry: entry(offset) });
const deadLetter = (offset: number): GroupChange => ({ kind: 'deadLetter', groupId: 1, entry: entry(offset) });

describe('KafkaGroupState', () => {
  it('gives a group as the opening has read it, once', async () => {
    const { groups, loaded } = make();
    expect(await groups.load(1)).toBe(SNAPSHOT);
    expect(loaded).toEqual([]);
    await groups.load(1);
    await groups.load(2);
    expect(loaded).toEqual([1, 2]);
  });

  it('reads a group anew that was changed', async () => {
    const { groups, loaded } = make();
    await groups.commit([{ kind: 'deleted', groupId: 1 }]);
    expect(await groups.load(1)).toBeUndefined();
    expect(loaded).toEqual([1]);
  });

  it('stores retries and dead letters with their records', async () => {
    const { groups, committed } = make({ kept: [1, 2] });
    await groups.commit([retry(1), deadLetter(2)]);
    expect(committed).toEqual([
      { ...retry(1), record: RECORD },
      { ...deadLetter(2), record: RECORD },
    ]);
  });

  it('leaves to the retry’s copy what Kafka does not keep any more, and passes over letters that nothing has', async () => {
    const { groups, committed } = make({ copied: [2] });
    const settled: GroupChange = { kind: 'retryDone', groupId: 1, lane: 0, offset: 2 };
    const given = { ...deadLetter(4), record: RECORD } as GroupChange;
    // What was never in the log is left to the store to refuse.
    await groups.commit([retry(1), deadLetter(2), settled, deadLetter(3), given, deadLetter(10)]);
    expect(committed).toEqual([retry(1), deadLetter(2), settled, given, deadLetter(10)]);
  });
});
