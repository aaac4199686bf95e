import { type Entry, ENTRY_STATE } from './entry.js';
import type { LaneCounts } from './dispatcher-types.js';
import { OffsetMap } from './offset-map.js';
import { OffsetRanges } from './offset-ranges.js';
import type { LaneCursor } from './group-state.js';
import type { Sequencer } from './sequencer.js';

/** Offsets that may be passed over without a message (filtered out, mostly) before that progress is worth a write. */
const PASSED_MAX = 1_000;

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
  #passed = 0;
  /** Messages that were given up unsettled: in all, and when the cursor was last written. */
  #skipped: number;
  #skippedWritten: number;
  /** Stored retries at or above `fed`, highest first: they take their place in the order when it is reached. */
  readonly #ahead: Entry[] = [];

  constructor({ lane, floor, settled, skipped = 0 }: LaneCursor, sequencer: Sequencer) {
    this.number = lane;
    this.cursor = new OffsetRanges(floor, settled);
    this.sequencer = sequencer;
    this.fed = floor;
    this.#skipped = skipped;
    this.#skippedWritten = skipped;
  }

  /** Messages that were given up unsettled, since the group was made. */
  get skipped(): number {
    return this.#skipped;
  }

  /** True if it went forward without a decision since the cursor was last written. */
  get hasMoved(): boolean {
    return this.#passed > 0 || this.#skipped > this.#skippedWritten;
  }

  /** True if that is to be written now: it went far, or lost messages. */
  get hasDrifted(): boolean {
    return this.#passed >= PASSED_MAX || this.#skipped > this.#skippedWritten;
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
    this.#passed += offset - this.fed;
    this.#advance(offset);
  }

  /**
   * Passes over what was not fed below `offset`, and gives the messages below it that are known and that only the log
   * keeps, which are to be given up too. All of these count as skipped.
   */
  skip(offset: number): Entry[] {
    const known = [...this.entries.values()].filter((entry) => entry.offset < offset && isGivenUp(entry));
    this.#skipped += known.length;
    if (offset > this.fed) {
      this.#skipped += offset - this.fed - this.cursor.countIn(this.fed, offset) - this.#settlingIn(this.fed, offset);
      this.skipTo(offset);
    }
    return known;
  }

  /** A message that is known, or stored as a retry, turns out to be lost: it counts as skipped. */
  lose(): void {
    this.#skipped += 1;
  }

  /** The cursor, to be written now. */
  written(): LaneCursor {
    this.#passed = 0;
    this.#skippedWritten = this.#skipped;
    return { lane: this.number, floor: this.cursor.floor, settled: this.cursor.ranges(), skipped: this.#skipped };
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
    const skipped = this.#skipped;
    return { lane: this.number, floor: cursor.floor, unsettled: above + pending, inFlight, retrying, skipped };
  }

  /** Lowest unsettled offset, retries included; undefined if all below `nextOffset` is settled. */
  lowestUnsettled(nextOffset: number): number | undefined {
    return this.#lowest(nextOffset, () => true);
  }

  /** The same without retries that keep their records: below it the log may be cut. */
  lowestNeeded(nextOffset: number): number | undefined {
    return this.#lowest(nextOffset, ({ hasRecord }) => !hasRecord);
  }

  /** Offsets below `offset` of stored retries whose records only the log keeps, the lowest first. */
  withoutRecord(offset: number): number[] {
    return [...this.entries.values()]
      .filter((entry) => entry.offset < offset && entry.stored && !entry.hasRecord)
      .map((entry) => entry.offset)
      .sort((a, b) => a - b);
  }

  /** Messages of an earlier owner that were settled before they were fed, and are being written. */
  #settlingIn(from: number, to: number): number {
    const isOne = ({ offset, stored }: Entry): boolean => offset >= from && offset < to && !stored;
    return [...this.entries.values()].filter((entry) => isOne(entry) && !this.cursor.has(entry.offset)).length;
  }

  #lowest(nextOffset: number, counts: (entry: Entry) => boolean): number | undefined {
    let lowest = Math.min(this.cursor.floor, nextOffset);
    for (const entry of this.entries.values()) {
      lowest = counts(entry) ? Math.min(lowest, entry.offset) : lowest;
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

const isGivenUp = ({ stored, state }: Entry): boolean => !stored && state !== ENTRY_STATE.settling;

const isFailedBefore = ({ barrier, offset, state }: Entry, limit: number): boolean =>
  barrier && offset < limit && state !== ENTRY_STATE.gone;
