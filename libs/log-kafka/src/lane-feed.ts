import { type LogFeed, type LogListener, RecordBlock, StoreError } from '@hermes/log';
import { type Clock, createDeferred, type Deferred } from '@hermes/runtime';

import { type FetchedRecords, toBlock } from './fetched-records.js';

/** How long the log's end is read for those who read near it. */
const READ_FOR_MS = 30_000;

/** How near. */
const NEAR_RECORDS = 4_096;

/** Fetches that bring nothing although there is something, before it is left to those who read pages. */
const EMPTY_MAX = 3;

/**
 * The end of a lane. As long as somebody reads near it, its records are fetched as they come and told to the listener,
 * once for all groups. Otherwise only the end itself is followed: what nobody reads costs nothing.
 *
 * `end` is one above the last offset that is known to be there. It grows with what the owner's own appends are told,
 * and with what a fetch finds: others may append, too.
 */
export class LaneFeed implements LogFeed {
  readonly #clock: Clock;
  readonly #onWanted: () => void;
  #listener: LogListener | undefined;
  #position: number;
  #end: number;
  #readUntilMs = 0;
  #empty = 0;
  #arrival: Deferred<void> | undefined;

  /** `onWanted` is called when records are to be fetched from now on. */
  constructor(end: number, options: { readonly clock: Clock; readonly onWanted: () => void }) {
    this.#position = end;
    this.#end = end;
    this.#clock = options.clock;
    this.#onWanted = options.onWanted;
  }

  /** Where the next fetch starts: what nobody reads is passed over. */
  nextPosition(): number {
    if (!this.isRead) {
      this.#position = this.#end;
    }
    return this.#position;
  }

  get end(): number {
    return this.#end;
  }

  /** Whether records are wanted, not only the place of the end. */
  get isRead(): boolean {
    return this.#clock.monotonicMs() < this.#readUntilMs;
  }

  follow(listener: LogListener): void {
    this.#listener = listener;
  }

  arrival(from: number): Promise<void> | undefined {
    if (from !== this.#position || from >= this.#end || !this.isRead) {
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
    if (!this.isRead) {
      this.#position = this.#end;
    }
    this.#readUntilMs = this.#clock.monotonicMs() + READ_FOR_MS;
    this.#onWanted();
  }

  /** The owner's own append is stored below `end`. */
  appended(end: number): void {
    const isTold = this.isRead;
    this.#grow(end);
    if (!isTold) {
      this.#listener?.grown();
    }
  }

  /** Kafka has records up to `end`, as it says itself. */
  reaches(end: number): void {
    if (end > this.#end) {
      this.appended(end);
    }
  }

  /** What a fetch from `position` has brought. */
  fetched(records: FetchedRecords): void {
    if (records.from !== this.#position) {
      // It was moved meanwhile.
      return;
    }
    const { nextOffset, endOffset } = records;
    const grown = endOffset > this.#end;
    if (this.isRead && nextOffset > this.#position) {
      this.#tell(records);
    } else if (!this.isRead || this.#isStuck(records)) {
      this.#moveTo(endOffset);
    }
    this.#grow(Math.max(nextOffset, endOffset));
    if (grown && !this.isRead) {
      this.#listener?.grown();
    }
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

  #tell(records: FetchedRecords): void {
    this.#empty = 0;
    const block = blockOf(records);
    this.#grow(block.nextOffset);
    this.#position = records.nextOffset;
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
