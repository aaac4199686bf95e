import { type Entry, FATE } from './entry.js';
import { DEAD_LETTER_CAUSE, type GroupChange, type RetryEntry } from './group-state.js';
import type { OffsetRanges } from './offset-ranges.js';

/** A new holder of an EXCLUSIVE partition. */
export interface Holder {
  readonly consumerEpoch: number;
  readonly token: number;
}

/**
 * Decisions of one group that go into one transaction together. `ticket` numbers the batch; what was decided in it
 * takes effect when it is committed.
 */
export class ChangeBatch {
  readonly ticket: number;
  readonly entries: Entry[] = [];
  holder: Holder | undefined;

  constructor(ticket: number) {
    this.ticket = ticket;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0 && this.holder === undefined;
  }

  /** Settles the batch's offsets in the cursors and gives all that the transaction has to write. */
  seal(context: {
    groupId: number;
    generation: number;
    storeMs: number;
    cursors: ReadonlyMap<number, OffsetRanges>;
  }): GroupChange[] {
    const { groupId, cursors } = context;
    const changes: GroupChange[] = this.entries.flatMap((entry) => changesOf(entry, context));
    const touched = new Set<number>();
    for (const entry of this.entries) {
      if (!entry.stored) {
        cursors.get(entry.lane)?.add(entry.offset);
        touched.add(entry.lane);
      }
    }
    for (const lane of touched) {
      const cursor = cursors.get(lane);
      if (cursor !== undefined) {
        changes.push({ kind: 'cursor', groupId, cursor: { lane, floor: cursor.floor, settled: cursor.ranges() } });
      }
    }
    if (this.holder !== undefined) {
      changes.push({ kind: 'holder', groupId, ...this.holder });
    }
    return changes;
  }
}

const NO_CHANGES: readonly GroupChange[] = [];

function changesOf(
  entry: Entry,
  { groupId, generation, storeMs }: { groupId: number; generation: number; storeMs: number },
): readonly GroupChange[] {
  const { lane, offset } = entry;
  const retryDone: readonly GroupChange[] = entry.stored ? [{ kind: 'retryDone', groupId, lane, offset }] : NO_CHANGES;
  if (entry.fate === FATE.done) {
    return retryDone;
  }
  const { attempts, strikes, keyHash, reason } = entry;
  if (entry.fate === FATE.dead) {
    const cause = DEAD_LETTER_CAUSE.attempts;
    const dead = { lane, offset, generation, attempts, cause, reason, keyHash, diedAtMs: storeMs };
    return [...retryDone, { kind: 'deadLetter', groupId, entry: dead }];
  }
  const retry: RetryEntry = { lane, offset, dueAtMs: entry.dueAtMs, attempts, strikes, keyHash, reason, generation };
  return [{ kind: 'retry', groupId, entry: retry }];
}
