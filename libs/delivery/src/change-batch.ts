import { type Entry, FATE } from './entry.js';
import type { GroupChange, RetryEntry } from './group-state.js';
import type { Holder } from './holdership.js';
import type { Lane } from './lane.js';
import type { SettleOutcome } from './settle.js';

/**
 * Decisions of one group that go into one transaction together. `ticket` numbers the batch; what was decided in it
 * takes effect when it is committed.
 */
export class ChangeBatch {
  readonly ticket: number;
  /** What a settle that is decided in this batch answers for now. */
  readonly pending: SettleOutcome;
  readonly entries: Entry[] = [];

  constructor(ticket: number) {
    this.ticket = ticket;
    this.pending = { kind: 'pending', ticket };
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** Failed attempts that another one follows. */
  get failed(): number {
    return this.entries.reduce((sum, { fate }) => sum + (fate === FATE.retry ? 1 : 0), 0);
  }

  /** Settles the batch's offsets in the cursors and gives all that the transaction has to write. */
  seal(context: {
    readonly groupId: number;
    readonly generation: number;
    readonly storeMs: number;
    readonly lanes: readonly Lane[];
    readonly holder: Holder | undefined;
  }): GroupChange[] {
    const { groupId, lanes, holder } = context;
    const changes: GroupChange[] = [];
    const touched = new Set<Lane>();
    for (const entry of this.entries) {
      pushChanges(changes, entry, context);
      if (!entry.stored) {
        const lane = lanes[entry.lane] as Lane;
        lane.cursor.add(entry.offset);
        touched.add(lane);
      }
    }
    for (const lane of lanes) {
      if (touched.has(lane) || lane.hasMoved) {
        changes.push({ kind: 'cursor', groupId, cursor: lane.written() });
      }
    }
    if (holder !== undefined) {
      const { consumerEpoch, token } = holder;
      changes.push({ kind: 'holder', groupId, consumerEpoch, token });
    }
    return changes;
  }
}

function pushChanges(
  changes: GroupChange[],
  entry: Entry,
  { groupId, generation, storeMs }: { readonly groupId: number; readonly generation: number; readonly storeMs: number },
): void {
  const { lane, offset, attempts, strikes, keyHash, reason, cause } = entry;
  const isOver = entry.fate === FATE.done || entry.fate === FATE.dead;
  if (entry.fate === FATE.dead) {
    const dead = { lane, offset, generation, attempts, cause, reason, keyHash, diedAtMs: storeMs };
    changes.push({ kind: 'deadLetter', groupId, entry: dead });
  }
  if (isOver && entry.stored) {
    changes.push({ kind: 'retryDone', groupId, lane, offset });
  }
  if (!isOver) {
    const retry: RetryEntry = { lane, offset, dueAtMs: entry.dueAtMs, attempts, strikes, keyHash, reason, generation };
    changes.push({ kind: 'retry', groupId, entry: retry });
  }
}
