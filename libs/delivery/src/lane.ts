import { type Entry, ENTRY_STATE } from './entry.js';
import type { LaneCounts } from './dispatcher-types.js';
import type { OffsetRanges } from './offset-ranges.js';
import type { Sequencer } from './sequencer.js';

/** What a group knows of one lane. */
export interface Lane {
  readonly number: number;
  readonly cursor: OffsetRanges;
  readonly sequencer: Sequencer;
  /** The unsettled messages that are known, by offset. */
  readonly entries: Map<number, Entry>;
  /** Next offset to be fed. */
  fed: number;
  /** Stored retries at or above `fed`, highest first: they take their place in the order when it is reached. */
  readonly ahead: Entry[];
}

/** Progress of a lane whose log ends at `nextOffset`. */
export function countLane({ number, cursor, entries }: Lane, nextOffset: number): LaneCounts {
  let [inFlight, retrying, stored] = [0, 0, 0];
  for (const entry of entries.values()) {
    inFlight += entry.state === ENTRY_STATE.inFlight ? 1 : 0;
    stored += entry.stored ? 1 : 0;
    retrying += entry.stored && entry.state !== ENTRY_STATE.inFlight ? 1 : 0;
  }
  const above = Math.max(0, nextOffset - cursor.floor - cursor.settledAbove);
  return { lane: number, floor: cursor.floor, unsettled: above + stored, inFlight, retrying };
}

/** Lowest unsettled offset, stored retries included; undefined if all below `nextOffset` is settled. */
export function lowestUnsettled({ cursor, entries }: Lane, nextOffset: number): number | undefined {
  let lowest = cursor.floor < nextOffset ? cursor.floor : undefined;
  for (const entry of entries.values()) {
    if (entry.stored && (lowest === undefined || entry.offset < lowest)) {
      lowest = entry.offset;
    }
  }
  return lowest;
}
