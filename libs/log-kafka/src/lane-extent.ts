import { StoreError } from '@hermes/log';

import type { FetchedRecords } from './fetched-records.js';

export interface LaneExtentOptions {
  /** The first offset that Kafka keeps. */
  readonly firstOffset: number;
  /** Others say what is kept: what is gone was never Hermes' to delete. */
  readonly isAttached: boolean;
  /** Whether the times of records are those of Hermes' owners. */
  readonly isTimedByOwner: boolean;
}

/** Where a lane begins, what of it nobody needed, and how much it holds, as far as its owner has seen. */
export class LaneExtent {
  readonly #isTimedByOwner: boolean;
  #firstOffset: number;
  /** Of what lies below it nobody needed anything. */
  #truncatedTo: number;
  #lastAppendedAtMs = 0;
  #seen = { records: 0, bytes: 0 };

  constructor({ firstOffset, isAttached, isTimedByOwner }: LaneExtentOptions) {
    this.#firstOffset = firstOffset;
    this.#truncatedTo = isAttached ? 0 : firstOffset;
    this.#isTimedByOwner = isTimedByOwner;
  }

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get lastAppendedAtMs(): number {
    return this.#lastAppendedAtMs;
  }

  /** What Kafka's own retention has taken: of a topic that is attached, or since the opening of one whose settings say so. */
  get lostBelow(): number {
    return this.#firstOffset > this.#truncatedTo ? this.#firstOffset : 0;
  }

  /** How many bytes so many records take, from what was seen of them: Kafka does not say. */
  bytesOf(records: number): number {
    const { records: seen, bytes } = this.#seen;
    return seen === 0 ? 0 : Math.round((bytes / seen) * records);
  }

  /** Kafka keeps nothing below `offset`. */
  beginsAt(offset: number): void {
    this.#firstOffset = Math.max(this.#firstOffset, offset);
  }

  /** Nobody needs anything below `offset`: it is about to be deleted. */
  truncates(offset: number): void {
    this.#truncatedTo = Math.max(this.#truncatedTo, offset);
  }

  appended(records: number, bytes: number, appendedAtMs: number): void {
    this.#lastAppendedAtMs = appendedAtMs;
    this.#count(records, bytes);
  }

  fetched({ firstOffset, records }: FetchedRecords): void {
    this.beginsAt(firstOffset);
    if (this.#isTimedByOwner) {
      this.#lastAppendedAtMs = Math.max(this.#lastAppendedAtMs, records.at(-1)?.appendedAtMs ?? 0);
    }
    this.#count(
      records.length,
      records.reduce((sum, { record }) => sum + record.length, 0),
    );
  }

  /** Throws `outOfRange` if Kafka does not keep `from`, of a lane that ends at `nextOffset`, any more. */
  check(from: number, nextOffset: number): void {
    if (from < this.#firstOffset) {
      throw new StoreError('outOfRange', `offset ${from} is below the lane's first ${this.#firstOffset}`, {
        details: { offset: from, earliest: this.#firstOffset, latest: nextOffset },
      });
    }
  }

  #count(records: number, bytes: number): void {
    this.#seen = { records: this.#seen.records + records, bytes: this.#seen.bytes + bytes };
  }
}
