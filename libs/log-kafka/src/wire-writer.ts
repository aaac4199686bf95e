/** Kafka's encoding of numbers and bytes, into a buffer of the right size. */
export class WireWriter {
  readonly bytes: Buffer;
  at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  int8(value: number): void {
    this.at = this.bytes.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.bytes.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.bytes.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.bytes.writeBigInt64BE(value, this.at);
  }

  string(value: Uint8Array): void {
    this.int16(value.length);
    this.#raw(value);
  }

  /** The sign goes to the lowest bit; then seven bits a byte, the lowest first. */
  varint(value: number): void {
    let rest = zigZag(value);
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  /** Their length as a varint, -1 for null, before them. */
  varintBytes(value: Uint8Array | null): void {
    this.varint(value === null ? -1 : value.length);
    if (value !== null) {
      this.#raw(value);
    }
  }

  #raw(value: Uint8Array): void {
    this.bytes.set(value, this.at);
    this.at += value.length;
  }
}

export function varintSize(value: number): number {
  // 7 bits in each; without any bit it is still one.
  return Math.max(1, Math.ceil((32 - Math.clz32(zigZag(value))) / 7));
}

export function varintBytesSize(value: Uint8Array | null): number {
  return value === null ? 1 : varintSize(value.length) + value.length;
}

function zigZag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}
