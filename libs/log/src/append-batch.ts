import { RecordBlock, type RecordColumns } from './record-block.js';

/** A record to be appended. */
export interface NewRecord {
  /** The published message's encoded bytes, kept as they are. */
  readonly record: Uint8Array;
  readonly keyHash: number;
  readonly refKey?: Uint8Array;
  /** Of the schedule that becomes this record. */
  readonly scheduleId?: number;
  /** By which a repeat of the publish is known. */
  readonly identity?: PublishIdentity;
  /** From when on it is not delivered any more, on the store's clock. */
  readonly expiresAtMs?: number;
}

/** A publish that may be repeated: numbered by its producer, or the hash of its idempotency key. */
export interface PublishIdentity {
  readonly producerId: number;
  readonly sequence: number;
}

const FLOAT_BYTES = 8;
const INT_BYTES = 4;
/** Columns of numbers that may pass 32 bits, in their order. */
const FLOAT_COLUMNS = 7;
/** Those, end of record, end of ref key. */
const COLUMN_BYTES = FLOAT_COLUMNS * FLOAT_BYTES + 2 * INT_BYTES;

/**
 * Records packed into one ArrayBuffer, so that a batch crosses threads by transfer and comes back as the tail
 * cache's block: columns first (offsets, times, key hashes, schedule ids, producer ids, sequences, times of expiry,
 * ends of records, ends of ref keys), then the records, then the ref keys.
 */
export class AppendBatch {
  /** Identity of the batch, 53 random bits: resolves an unknown outcome. */
  readonly appendId: number;
  readonly count: number;
  readonly buffer: ArrayBuffer;
  readonly offsets: Float64Array;
  readonly appendedAtMs: Float64Array;
  readonly keyHashes: Float64Array;
  /** 0 = none. */
  readonly scheduleIds: Float64Array;
  /** 0 = none, together with the sequence. */
  readonly producerIds: Float64Array;
  readonly sequences: Float64Array;
  /** 0 = never. */
  readonly expiresAtMs: Float64Array;
  readonly ends: Uint32Array;
  readonly refKeyEnds: Uint32Array;
  /** Records, then ref keys. */
  readonly bytes: Uint8Array;

  constructor(appendId: number, count: number, buffer: ArrayBuffer) {
    this.appendId = appendId;
    this.count = count;
    this.buffer = buffer;
    const floats = (column: number): Float64Array => new Float64Array(buffer, column * count * FLOAT_BYTES, count);
    this.offsets = floats(0);
    this.appendedAtMs = floats(1);
    this.keyHashes = floats(2);
    this.scheduleIds = floats(3);
    this.producerIds = floats(4);
    this.sequences = floats(5);
    this.expiresAtMs = floats(6);
    this.ends = new Uint32Array(buffer, FLOAT_COLUMNS * count * FLOAT_BYTES, count);
    this.refKeyEnds = new Uint32Array(buffer, FLOAT_COLUMNS * count * FLOAT_BYTES + count * INT_BYTES, count);
    this.bytes = new Uint8Array(buffer, count * COLUMN_BYTES);
  }

  /** Packs `records`: the one copy that a record sees on its way to the store. */
  static pack(appendId: number, records: readonly NewRecord[]): AppendBatch {
    let size = records.length * COLUMN_BYTES;
    for (const { record, refKey } of records) {
      size += record.length + (refKey?.length ?? 0);
    }
    const batch = new AppendBatch(appendId, records.length, new ArrayBuffer(size));
    batch.#fill(records);
    return batch;
  }

  /** Room for `count` records of `recordBytes` in total, all columns zero. */
  static allocate(appendId: number, count: number, recordBytes: number): AppendBatch {
    return new AppendBatch(appendId, count, new ArrayBuffer(count * COLUMN_BYTES + recordBytes));
  }

  /** Bytes of records and ref keys together. */
  get recordBytes(): number {
    return this.bytes.length;
  }

  /** One record: a view. */
  record(index: number): Uint8Array {
    return this.bytes.subarray(index === 0 ? 0 : this.ends[index - 1], this.ends[index]);
  }

  /** One record's ref key: a view; null if it has none. */
  refKey(index: number): Uint8Array | null {
    const begin = index === 0 ? this.ends[this.count - 1] : this.refKeyEnds[index - 1];
    const end = this.refKeyEnds[index];
    return begin === end ? null : this.bytes.subarray(begin, end);
  }

  /** The block that these records are, once offsets and times are filled in. */
  toBlock(): RecordBlock {
    const first = this.offsets[0] ?? 0;
    return new RecordBlock(first, first + this.count, this.columns());
  }

  columns(): RecordColumns {
    const { offsets, appendedAtMs, expiresAtMs, ends, bytes, keyHashes } = this;
    return { offsets, appendedAtMs, expiresAtMs, ends, bytes, start: 0, keyHashes };
  }

  #fill(records: readonly NewRecord[]): void {
    let end = 0;
    records.forEach(({ record, keyHash, scheduleId, identity, expiresAtMs }, index) => {
      this.bytes.set(record, end);
      end += record.length;
      this.ends[index] = end;
      this.keyHashes[index] = keyHash;
      this.scheduleIds[index] = scheduleId ?? 0;
      this.producerIds[index] = identity?.producerId ?? 0;
      this.sequences[index] = identity?.sequence ?? 0;
      this.expiresAtMs[index] = expiresAtMs ?? 0;
    });
    records.forEach(({ refKey }, index) => {
      if (refKey !== undefined) {
        this.bytes.set(refKey, end);
        end += refKey.length;
      }
      this.refKeyEnds[index] = end;
    });
  }
}
