import { type Entry, ENTRY_STATE } from './entry.js';
import type { LaneCounts } from './dispatcher-types.js';
import { OffsetMap } from './offset-map.js';
import { OffsetRanges } from './offset-ranges.js';
import type { LaneCursor } from './group-state.js';
import type { Sequencer } from './sequencer.js';

/** What a group knows of one lane: its progress, its unsettled messages and their order. */
export class Lane {
  readonly number: number;
  readonly cursor: OffsetRanges;
  readonly sequencer: Sequencer;
  /** The unsettled messages that are known, by offset. */
  readonly entries = new OffsetMap<Entry>();
  /** Next offset to be fed. */
  fed: number;
  /** Offsets that were passed over since the cursor was last written. */
  skipped = 0;
  /** Stored retries at or above `fed`, highest first: they take their place in the order when it is reached. */
  readonly #ahead: Entry[] = [];

  constructor({ lane, floor, settled }: LaneCursor, sequencer: Sequencer) {
    this.number = lane;
    this.cursor = new OffsetRanges(floor, settled);
    this.sequencer = sequencer;
    this.fed = floor;
  }

  /** True if an earlier owner knew more of the lane than was fed. */
  get isCatchingUp(): boolean {
    return this.fed < this.cursor.end || this.#ahead.length > 0;
  }

  /** Takes the stored retries in; once, before anything is fed. */
  load(retries: readonly Entry[]): void {
    for (const entry of [...retries].sort((a, b) => b.offset - a.offset)) {
      this.entries.set(entry.offset, entry);
      this.#ahead.push(entry);
    }
    this.#advance(this.fed);
  }

  /** Takes in a stored message that was over. */
  admit(entry: Entry): void {
    this.entries.set(entry.offset, entry);
    if (entry.offset < this.fed) {
      this.sequencer.add(entry);
    } else {
      this.#ahead.push(entry);
      this.#ahead.sort((a, b) => b.offset - a.offset);
    }
  }

  /** The log has no record from `fed` up to `offset`: that counts as settled. */
  skipTo(offset: number): void {
    this.cursor.addRange(this.fed, offset);
    this.skipped += offset - this.fed;
    this.#advance(offset);
  }

  /** The cursor, to be written now. */
  written(): LaneCursor {
    this.skipped = 0;
    return { lane: this.number, floor: this.cursor.floor, settled: this.cursor.ranges() };
  }

  /** The record at `fed` was taken in, or need not be. */
  step(): void {
    this.#advance(this.fed + 1);
  }

  /** A message may be delivered again. One that the order has not reached comes when it does. */
  comeBack(entry: Entry): void {
    entry.state = ENTRY_STATE.ready;
    if (!entry.stored || entry.offset < this.fed) {
      this.sequencer.comeBack(entry);
    }
  }

  /** A message is settled, or dead: nothing of it is left. */
  drop(entry: Entry): void {
    entry.state = ENTRY_STATE.gone;
    this.entries.delete(entry.offset);
    this.sequencer.settled(entry);
  }

  /** True if nothing at this offset can be in flight: a failed message before it lets nothing pass. */
  isBarred(offset: number): boolean {
    return this.sequencer.isBarred(offset) || this.#ahead.some((entry) => isFailedBefore(entry, offset));
  }

  /** Progress, if the lane's log ends at `nextOffset`. What is decided counts once it is committed. */
  counts(nextOffset: number): LaneCounts {
    const { cursor } = this;
    let [inFlight, retrying, pending] = [0, 0, 0];
    for (const entry of this.entries.values()) {
      inFlight += entry.state === ENTRY_STATE.inFlight ? 1 : 0;
      retrying += entry.stored && entry.state !== ENTRY_STATE.inFlight ? 1 : 0;
      pending += cursor.has(entry.offset) ? 1 : 0;
    }
    const above = Math.max(0, nextOffset - cursor.floor - cursor.settledAbove);
    return { lane: this.number, floor: cursor.floor, unsettled: above + pending, inFlight, retrying };
  }

  /** Lowest unsettled offset, retries included; undefined if all below `nextOffset` is settled. */
  lowestUnsettled(nextOffset: number): number | undefined {
    let lowest = Math.min(this.cursor.floor, nextOffset);
    for (const { offset } of this.entries.values()) {
      lowest = Math.min(lowest, offset);
    }
    return lowest < nextOffset ? lowest : undefined;
  }

  /** Stored retries that are reached take their place in the order. */
  #advance(offset: number): void {
    this.fed = offset;
    for (let next = this.#ahead.at(-1); next !== undefined && next.offset < offset; next = this.#ahead.at(-1)) {
      this.#ahead.pop();
      if (next.state !== ENTRY_STATE.gone) {
        this.sequencer.add(next);
      }
    }
  }
}

const isFailedBefore = ({ barrier, offset, state }: Entry, limit: number): boolean =>
  barrier && offset < limit && state !== ENTRY_STATE.gone;
