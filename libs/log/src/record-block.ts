import { invariant } from '@hermes/runtime';

/** The columns of a RecordBlock; every column has one entry per record. */
export interface RecordColumns {
  /** Ascending; what is missing between `from` and `nextOffset` is a fence, void or seal record. */
  readonly offsets: Float64Array;
  readonly appendedAtMs: Float64Array;
  /** From when on each is not delivered any more, on the store's clock; 0 = never. */
  readonly expiresAtMs: Float64Array;
  /** Where each record ends in `bytes`; it starts where the one before it ends, the first at `start`. */
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
  readonly start: number;
  /** Present in blocks that were just appended and in those from a PageCache; a store does not keep it. */
  readonly keyHashes: Float64Array | undefined;
}

/**
 * Records of one lane as columns over shared memory: immutable, and sliced without copying.
 *
 * The block speaks for all offsets in [from, nextOffset): those without a record count as settled for every group.
 */
export class RecordBlock {
  readonly from: number;
  readonly nextOffset: number;
  readonly columns: RecordColumns;

  constructor(from: number, nextOffset: number, columns: RecordColumns) {
    this.from = from;
    this.nextOffset = nextOffset;
    this.columns = columns;
  }

  /** A block without records: at the end of a lane (`from` = `nextOffset`), or over settled offsets only. */
  static empty(from: number, nextOffset: number = from): RecordBlock {
    return new RecordBlock(from, nextOffset, EMPTY_COLUMNS);
  }

  get count(): number {
    return this.columns.offsets.length;
  }

  /** Bytes of all records together. */
  get recordBytes(): number {
    return this.count === 0 ? 0 : this.#end(this.count - 1) - this.columns.start;
  }

  /** Memory that the block keeps alive: a slice keeps the whole buffer. */
  get memoryBytes(): number {
    return this.columns.bytes.buffer.byteLength;
  }

  offset(index: number): number {
    return at(this.columns.offsets, index);
  }

  appendedAtMs(index: number): number {
    return at(this.columns.appendedAtMs, index);
  }

  /** True if the record is not to be delivered any more at `timeMs`, on the store's clock. */
  isExpired(index: number, timeMs: number): boolean {
    const expiresAtMs = at(this.columns.expiresAtMs, index);
    return expiresAtMs !== 0 && expiresAtMs <= timeMs;
  }

  /** Hash of the record's key, as its publisher's broker gave it. */
  keyHash(index: number): number {
    invariant(this.columns.keyHashes !== undefined, 'block has no key hashes');
    return at(this.columns.keyHashes, index);
  }

  /** Length of one record. */
  bytes(index: number): number {
    return this.#end(index) - this.#begin(index);
  }

  /** The record as it was published: a view, to be read only. */
  record(index: number): Uint8Array {
    return this.columns.bytes.subarray(this.#begin(index), this.#end(index));
  }

  /** Index of the first record at or above `offset`; `count` if there is none. */
  indexFrom(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.offset(middle) < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** What the block holds from `from` on, within the bounds; one record comes even if it is above `maxBytes`. */
  slice(from: number, maxRecords: number, maxBytes: number): RecordBlock {
    const first = this.indexFrom(from);
    let last = first;
    let bytes = 0;
    while (last < this.count && last - first < maxRecords) {
      bytes += this.bytes(last);
      if (bytes > maxBytes && last > first) {
        break;
      }
      last += 1;
    }
    const nextOffset = last === this.count ? this.nextOffset : this.offset(last);
    return first === 0 && last === this.count && from === this.from
      ? this
      : new RecordBlock(from, nextOffset, this.#cut(first, last));
  }

  /** The same records with key hashes computed by `hash`. */
  withKeyHashes(hash: (record: Uint8Array) => number): RecordBlock {
    if (this.columns.keyHashes !== undefined) {
      return this;
    }
    const keyHashes = Float64Array.from({ length: this.count }, (_, index) => hash(this.record(index)));
    return new RecordBlock(this.from, this.nextOffset, { ...this.columns, keyHashes });
  }

  #cut(first: number, last: number): RecordColumns {
    const { offsets, appendedAtMs, expiresAtMs, ends, bytes, keyHashes } = this.columns;
    return {
      offsets: offsets.subarray(first, last),
      appendedAtMs: appendedAtMs.subarray(first, last),
      expiresAtMs: expiresAtMs.subarray(first, last),
      ends: ends.subarray(first, last),
      bytes,
      start: this.#begin(first),
      keyHashes: keyHashes?.subarray(first, last),
    };
  }

  #begin(index: number): number {
    return index === 0 ? this.columns.start : this.#end(index - 1);
  }

  #end(index: number): number {
    return at(this.columns.ends, index);
  }
}

const EMPTY_COLUMNS: RecordColumns = {
  offsets: new Float64Array(0),
  appendedAtMs: new Float64Array(0),
  expiresAtMs: new Float64Array(0),
  ends: new Uint32Array(0),
  bytes: new Uint8Array(0),
  start: 0,
  keyHashes: new Float64Array(0),
};

function at(column: Float64Array | Uint32Array, index: number): number {
  const value = column[index];
  invariant(value !== undefined, `index ${index} is outside of the block`);
  return value;
}
