const TWO_32 = 2 ** 32;

/** Bytes of an unsigned varint below 2^53. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes++;
  }
  return bytes;
}

/** Bytes of an int32 as a varint: negative ones have ten. */
export function int32Bytes(value: number): number {
  return value < 0 ? 10 : varintBytes(value);
}

/** Bytes of a length-delimited field with a one-byte tag. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

/**
 * Writes a message into one Buffer of known size: the codecs compute sizes first, so nothing is copied twice. Tags
 * are one byte, which every field number below 16 is.
 */
export class WireWriter {
  readonly bytes: Buffer;
  #pos = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  /** The finished message. The size that was computed must be the size that was written. */
  finish(): Buffer {
    if (this.#pos !== this.bytes.length) {
      throw new Error(`wrote ${this.#pos} bytes of ${this.bytes.length}`);
    }
    return this.bytes;
  }

  tag(tag: number): this {
    this.bytes[this.#pos++] = tag;
    return this;
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): this {
    let rest = value;
    while (rest >= TWO_32) {
      this.bytes[this.#pos++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    rest >>>= 0;
    while (rest >= 0x80) {
      this.bytes[this.#pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.#pos++] = rest;
    return this;
  }

  int32(value: number): this {
    if (value >= 0) {
      return this.varint(value);
    }
    // Sign-extended to 64 bits: five bytes of the number, then ones.
    let rest = value;
    for (let i = 0; i < 9; i++) {
      this.bytes[this.#pos++] = (rest & 0x7f) | 0x80;
      rest >>= 7;
    }
    this.bytes[this.#pos++] = 1;
    return this;
  }

  /** A length-delimited field. */
  field(tag: number, value: Uint8Array): this {
    this.tag(tag).varint(value.length);
    this.bytes.set(value, this.#pos);
    this.#pos += value.length;
    return this;
  }

  /** A string field whose UTF-8 length is known. */
  text(tag: number, value: string, length: number): this {
    this.tag(tag).varint(length);
    this.#pos += this.bytes.write(value, this.#pos, length, 'utf8');
    return this;
  }
}
