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
    const changes: GroupChange[] = [];
    const touched = new Set<number>();
    for (const entry of this.entries) {
      pushChanges(changes, entry, context);
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

function pushChanges(
  changes: GroupChange[],
  entry: Entry,
  { groupId, generation, storeMs }: { groupId: number; generation: number; storeMs: number },
): void {
  const { lane, offset, attempts, strikes, keyHash, reason } = entry;
  const isOver = entry.fate === FATE.done || entry.fate === FATE.dead;
  if (isOver && entry.stored) {
    changes.push({ kind: 'retryDone', groupId, lane, offset });
  }
  if (entry.fate === FATE.dead) {
    const cause = DEAD_LETTER_CAUSE.attempts;
    const dead = { lane, offset, generation, attempts, cause, reason, keyHash, diedAtMs: storeMs };
    changes.push({ kind: 'deadLetter', groupId, entry: dead });
  }
  if (!isOver) {
    const retry: RetryEntry = { lane, offset, dueAtMs: entry.dueAtMs, attempts, strikes, keyHash, reason, generation };
    changes.push({ kind: 'retry', groupId, entry: retry });
  }
}
