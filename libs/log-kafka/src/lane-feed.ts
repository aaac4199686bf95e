import { type LogFeed, type LogListener, RecordBlock, StoreError } from '@hermes/log';
import { type Clock, createDeferred, type Deferred } from '@hermes/runtime';

import { type FetchedRecords, toBlock } from './fetched-records.js';

/** How long the log's end is read for those who read near it. */
const READ_FOR_MS = 30_000;

/** How near. */
const NEAR_RECORDS = 4_096;

/** Fetches that bring nothing although there is something, before it is left to those who read pages. */
const EMPTY_MAX = 3;

export interface LaneFeedOptions {
  readonly clock: Clock;
  /** Called when records are to be fetched from now on. */
  readonly onWanted: () => void;
  /** Others append, too, and nothing is told before Kafka gives it to readers. */
  readonly isShared: boolean;
}

/** Own appends that wait for what stands before them; what is beyond that is fetched. */
const AHEAD_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The end of a lane. As long as somebody reads near it, its records are told to the listener in their order, once for all
 * groups. Otherwise only the end itself is followed: what nobody reads costs nothing.
 *
 * What the owner appends itself is told as it is where it follows what was told: Kafka says at which offset it stands, and
 * with `acks=-1` that it stays there. Where it does not follow, others have appended between, and that is fetched first.
 *
 * `end` is one above the last offset that is known to be there. It grows with what the owner's own appends are told,
 * and with what a fetch finds: others may append, too.
 */
export class LaneFeed implements LogFeed {
  readonly #options: LaneFeedOptions;
  #listener: LogListener | undefined;
  #position: number;
  #end: number;
  #readUntilMs = 0;
  #empty = 0;
  /** Own appends above `position`, in order. */
  #ahead: RecordBlock[] = [];
  #aheadBytes = 0;
  #arrival: Deferred<void> | undefined;

  constructor(end: number, options: LaneFeedOptions) {
    this.#position = end;
    this.#end = end;
    this.#options = options;
  }

  /** Where the next fetch starts: what nobody reads is passed over. */
  nextPosition(): number {
    if (!this.#isRead) {
      this.#passOver();
    }
    return this.#position;
  }

  get end(): number {
    return this.#end;
  }

  /** Whether a fetch is to bring records, not only the place of the end. */
  get wantsRecords(): boolean {
    return this.#isRead && (this.#options.isShared || this.#position < this.#end);
  }

  follow(listener: LogListener): void {
    this.#listener = listener;
  }

  arrival(from: number): Promise<void> | undefined {
    if (from !== this.#position || from >= this.#end || !this.#isRead) {
      return undefined;
    }
    this.#arrival ??= createDeferred();
    return this.#arrival.promise;
  }

  /** Somebody reads at `from`. */
  wasRead(from: number): void {
    if (this.#listener === undefined || from + NEAR_RECORDS < this.#end) {
      return;
    }
    if (!this.#isRead) {
      this.#passOver();
    }
    this.#readUntilMs = this.#options.clock.monotonicMs() + READ_FOR_MS;
    this.#options.onWanted();
  }

  /** The owner's own append is stored, in a lane that others do not append to unless they are stale. */
  appended(block: RecordBlock): void {
    if (!this.#isRead) {
      this.reaches(block.nextOffset);
      return;
    }
    this.#grow(block.nextOffset);
    if (this.#aheadBytes + block.recordBytes <= AHEAD_BYTES_MAX) {
      this.#ahead.push(block);
      this.#aheadBytes += block.recordBytes;
    }
    this.#tellAhead();
    if (this.wantsRecords) {
      this.#options.onWanted();
    }
  }

  /** There are records up to `end`. */
  reaches(end: number): void {
    const grown = end > this.#end;
    this.#grow(end);
    if (grown && !this.#isRead) {
      this.#listener?.grown();
    }
  }

  /** What a fetch from `position` has brought. */
  fetched(records: FetchedRecords): void {
    if (records.from !== this.#position) {
      // It was moved meanwhile.
      return;
    }
    const { nextOffset, endOffset } = records;
    if (this.#isRead && nextOffset > this.#position) {
      this.#tell(blockOf(records), nextOffset);
    } else if (!this.#isRead || this.#isStuck(records)) {
      this.#moveTo(endOffset);
    }
    this.reaches(Math.max(nextOffset, endOffset));
    this.#tellAhead();
  }

  /** Nothing comes for now: who waits had better ask for itself. */
  failed(): void {
    this.#release();
  }

  /** Kafka keeps nothing below `firstOffset` any more. */
  truncated(firstOffset: number): void {
    this.#moveTo(firstOffset);
    this.#grow(firstOffset);
  }

  get #isRead(): boolean {
    return this.#options.clock.monotonicMs() < this.#readUntilMs;
  }

  #passOver(): void {
    this.#position = this.#end;
    this.#ahead = [];
    this.#aheadBytes = 0;
  }

  /** The owner's own appends, as far as there is nothing before them that was not told. */
  #tellAhead(): void {
    for (let own = this.#ahead[0]; own !== undefined && own.from <= this.#position; own = this.#ahead[0]) {
      this.#ahead.shift();
      this.#aheadBytes -= own.recordBytes;
      if (own.from === this.#position) {
        this.#tell(own, own.nextOffset);
      }
    }
  }

  #tell(block: RecordBlock, nextOffset: number): void {
    this.#empty = 0;
    this.#grow(block.nextOffset);
    this.#position = nextOffset;
    if (block.nextOffset > block.from) {
      this.#listener?.records(block);
    }
    this.#release();
  }

  /** A fetch of many lanes may have no room left for this one; or there is a batch without records in it. */
  #isStuck({ nextOffset, endOffset }: FetchedRecords): boolean {
    this.#empty = nextOffset === this.#position && endOffset > nextOffset ? this.#empty + 1 : 0;
    return this.#empty >= EMPTY_MAX;
  }

  #moveTo(offset: number): void {
    this.#empty = 0;
    this.#position = Math.max(this.#position, offset);
    this.#release();
  }

  #grow(end: number): void {
    this.#end = Math.max(this.#end, end);
  }

  #release(): void {
    this.#arrival?.resolve();
    this.#arrival = undefined;
  }
}

/** What does not match its checksum is left out: a gap, and whoever reads there hears of it. */
function blockOf(records: FetchedRecords): RecordBlock {
  try {
    return toBlock(records);
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'recordCorrupt') {
      return RecordBlock.empty(records.from, records.from);
    }
    throw error;
  }
}
