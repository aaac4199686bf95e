import type { AppendBatch } from './append-batch.js';
import type { RecordBlock } from './record-block.js';
import type { StoreError } from './store-error.js';

/** Nothing of it was stored because a newer owner has fenced the partition; `epoch` is the highest seen. */
export interface Fenced {
  readonly kind: 'fenced';
  readonly epoch: number;
}

/** Nothing was stored for lack of space. */
export interface Full {
  readonly kind: 'full';
}

/** Nothing was stored, for the reason given; the same may work later. */
export interface Refused {
  readonly kind: 'refused';
  readonly error: StoreError;
}

/**
 * It may or may not be stored. The store finds out by itself; until then nothing else is written there. The resolution
 * rejects with StoreError if the store is closed or lost before it is known: then it stays unknown.
 */
export interface InDoubt<Definite> {
  readonly kind: 'inDoubt';
  readonly resolution: Promise<Definite>;
}

/** What is known for certain of an append. `block` holds the records with their offsets. */
export type DefiniteAppendOutcome =
  { readonly kind: 'appended'; readonly block: RecordBlock } | Fenced | Full | Refused;

export type AppendOutcome = DefiniteAppendOutcome | InDoubt<DefiniteAppendOutcome>;

export type TruncateOutcome = { readonly kind: 'truncated'; readonly firstOffset: number } | Fenced | Full | Refused;

/** How much one read may bring; one record comes even if it alone is above `maxBytes`. */
export interface ReadBounds {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** Told what is in a log to which others append, too. Must not throw. */
export interface LogListener {
  /** The next records at the log's end, in order; there may be gaps, but never an overlap. */
  records(block: RecordBlock): void;
  /** `nextOffset` has grown, and its records are there to be read. */
  grown(): void;
}

/**
 * The end of a log that does not refuse others' appends: a stale owner may have appended between two of ours, and what is
 * delivered must be what the log holds, in the log's order.
 */
export interface LogFeed {
  /** Tells `listener` from now on. Called once, by the log's owner. */
  follow(listener: LogListener): void;

  /** Resolves when records from `from` on have been told, or had better be read; undefined: they are not on their way. */
  arrival(from: number): Promise<void> | undefined;
}

/**
 * The log of one lane, held at one epoch by one owner.
 *
 * Offsets strictly increase and are never reused. Those without a record (fence, void, seal) are settled for every
 * group. Methods reject with StoreError alone.
 */
export interface MessageLog {
  readonly topicId: number;
  readonly partition: number;
  readonly lane: number;
  /** Lowest offset that can be read; raised by `truncateBefore`, never lowered. */
  readonly firstOffset: number;
  /** One above the last record. */
  readonly nextOffset: number;
  /** About how many bytes the lane's records take. */
  readonly sizeBytes: number;
  /** Time of the last record that this owner knows of, by the store's clock; 0 if there is none. */
  readonly lastAppendedAtMs: number;

  /** Below it the store has dropped records by itself, whoever needed them; absent: it does not. */
  readonly lostBelow?: number;

  /**
   * Learns of what others have appended: `nextOffset` then is what it was when this was called, or above. Present where
   * others append. Rejects with StoreError.
   */
  readonly findEnd?: () => Promise<void>;

  /** Present if others may have appended between two appends of the owner; absent: an append's block is what the log holds. */
  readonly feed?: LogFeed;

  /**
   * Whether one append can hold that many records of so many bytes in total, ref keys included. A batch that does not
   * fit must not be given to `append`.
   */
  fits(records: number, bytes: number): boolean;

  /**
   * Stores the batch as a whole and durably, or not at all. The batch is given away: its buffer may be moved to
   * another thread. At most one append of a lane is under way: the Appender's rule.
   */
  append(batch: AppendBatch): Promise<AppendOutcome>;

  /**
   * Reads from `from` on. At or past the end: an empty block with `nextOffset` = `from`.
   * Fails with `outOfRange` below `firstOffset`, with `recordCorrupt` (details: offset) on a checksum mismatch.
   */
  read(from: number, bounds: ReadBounds): Promise<RecordBlock>;

  /** Offset of the first record that was appended at `timeMs` or later; `nextOffset` if there is none. */
  offsetAt(timeMs: number): Promise<number>;

  /**
   * Drops what lies below `offset`, but never the last record, so that a lane once written is never empty.
   * An offset at or below `firstOffset` changes nothing.
   */
  truncateBefore(offset: number): Promise<TruncateOutcome>;
}
