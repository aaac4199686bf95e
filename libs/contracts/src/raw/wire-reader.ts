import { unsafeInteger } from '../unsafe-integer.js';
import { isUtf8Range, textOf, viewOf } from './utf8.js';
import { WireError } from './wire-error.js';

/** Wire types of protobuf's encoding. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;

const TWO_32 = 2 ** 32;
/** As many nested groups as protobuf libraries commonly allow. */
const GROUP_DEPTH_MAX = 100;

/**
 * Reads one protobuf message strictly: a truncated value, a bad tag, an unfinished group or an integer beyond 2^53
 * throws WireError. Reads nothing outside `[pos, end)` and copies nothing.
 */
export class WireReader {
  bytes: Uint8Array;
  pos = 0;
  end: number;
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** Begins anew with other bytes, so that a hot path needs no new reader. */
  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.pos = 0;
    this.end = bytes.length;
  }

  /** The next tag: field number × 8 + wire type. */
  tag(): number {
    const tag = this.#size();
    if (tag < 8 || (tag & 7) > WIRE.fixed32) {
      throw new WireError('illegal tag');
    }
    return tag;
  }

  /** A uint64 below 2^53; beyond, `field` is refused by its name (INVALID_FIELD) if it is given. */
  uint64(field?: string): number {
    this.#varint();
    const value = this.#high * TWO_32 + this.#low;
    if (field !== undefined && !Number.isSafeInteger(value)) {
      throw unsafeInteger(field);
    }
    return this.#safe(value);
  }

  /** An int64 within ±2^53. */
  int64(): number {
    this.#varint();
    return this.#safe((this.#high | 0) * TWO_32 + this.#low);
  }

  /** An int32, or an enum: the low 32 bits, as protobuf says. */
  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** Reads a length, checks that so many bytes follow, and returns where they end. */
  bytesEnd(): number {
    const length = this.#size();
    return this.#within(this.pos + length);
  }

  /** A bytes field, or an embedded message, as a view. */
  view(): Uint8Array {
    const end = this.bytesEnd();
    const start = this.pos;
    this.pos = end;
    return viewOf(this.bytes, start, end);
  }

  /** An embedded message, which `read` reads to its end on this reader: for hot paths, without a view of it. */
  message<T>(read: (reader: WireReader) => T): T {
    const { end } = this;
    this.end = this.bytesEnd();
    const value = read(this);
    this.end = end;
    return value;
  }

  /** A string field; invalid UTF-8 is an error. */
  string(): string {
    const end = this.bytesEnd();
    const start = this.pos;
    if (!isUtf8Range(this.bytes, start, end)) {
      throw new WireError('invalid UTF-8');
    }
    this.pos = end;
    return textOf(this.bytes, start, end);
  }

  /** Passes over the value of a tag that nobody wants. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case WIRE.varint:
        this.#varint();
        return;
      case WIRE.fixed64:
        this.pos = this.#within(this.pos + 8);
        return;
      case WIRE.bytes:
        this.pos = this.bytesEnd();
        return;
      case WIRE.fixed32:
        this.pos = this.#within(this.pos + 4);
        return;
      case WIRE.groupStart:
        this.#skipGroup(tag, depth + 1);
        return;
      default:
        throw new WireError('end of a group that did not begin');
    }
  }

  #skipGroup(start: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) {
      throw new WireError('nested too deeply');
    }
    let tag = this.tag();
    while ((tag & 7) !== WIRE.groupEnd) {
      this.#skip(tag, depth);
      tag = this.tag();
    }
    if (tag >>> 3 !== start >>> 3) {
      throw new WireError('end of another group');
    }
  }

  /** A tag or a length: an unsigned varint of 32 bits. */
  #size(): number {
    const first = this.bytes[this.pos] ?? 0;
    if (first < 0x80 && this.pos < this.end) {
      this.pos++;
      return first;
    }
    this.#varint();
    if (this.#high !== 0) {
      throw new WireError('tag or length beyond 32 bits');
    }
    return this.#low;
  }

  /** Any varint, into two halves of 32 bits. */
  #varint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) {
        throw new WireError('truncated');
      }
      const byte = this.bytes[this.pos++] ?? 0;
      if (shift < 28) {
        low |= (byte & 0x7f) << shift;
      } else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x70) >>> 4;
      } else {
        high |= (byte & 0x7f) << (shift - 32);
      }
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw new WireError('varint beyond ten bytes');
  }

  #safe(value: number): number {
    if (!Number.isSafeInteger(value)) {
      throw new WireError('integer beyond 2^53');
    }
    return value;
  }

  #within(pos: number): number {
    if (pos > this.end) {
      throw new WireError('truncated');
    }
    return pos;
  }
}
