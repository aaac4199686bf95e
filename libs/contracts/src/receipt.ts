/**
 * The layout of a receipt: the partition in clear and first, so that a gateway can route it, and a tag over what
 * must not be forged. Clients treat it as opaque. Making and checking the tag is the broker's part.
 *
 * `partition u16 · lane u8 · attempt u8 · offset u64 · delivery number u32 · consumer epoch u64 · tag 16 bytes`,
 * big-endian; epoch 0 stands for groups that have none.
 */
export interface Receipt {
  readonly partition: number;
  readonly lane: number;
  readonly attempt: number;
  readonly offset: number;
  /** Not reused by one owner: tells apart two deliveries of one message. */
  readonly deliveryNumber: number;
  readonly consumerEpoch: number;
  /** RECEIPT_TAG_BYTES bytes. */
  readonly tag: Uint8Array;
}

/** Length of the tag. */
export const RECEIPT_TAG_BYTES = 16;

const LANE_AT = 2;
const ATTEMPT_AT = 3;
const OFFSET_AT = 4;
const DELIVERY_AT = 12;
const EPOCH_AT = 16;
const TAG_AT = 24;

/** Length of every receipt. */
export const RECEIPT_BYTES = TAG_AT + RECEIPT_TAG_BYTES;

const TWO_32 = 2 ** 32;

/** The bytes of a receipt. */
export function encodeReceipt(receipt: Receipt): Buffer {
  const bytes = Buffer.allocUnsafe(RECEIPT_BYTES);
  bytes.writeUInt16BE(receipt.partition, 0);
  bytes[LANE_AT] = receipt.lane;
  bytes[ATTEMPT_AT] = receipt.attempt;
  writeUint64(bytes, receipt.offset, OFFSET_AT);
  bytes.writeUInt32BE(receipt.deliveryNumber, DELIVERY_AT);
  writeUint64(bytes, receipt.consumerEpoch, EPOCH_AT);
  bytes.set(receipt.tag, TAG_AT);
  return bytes;
}

/** The parts of a receipt, its tag a view of `bytes`; undefined if it is malformed. */
export function decodeReceipt(bytes: Uint8Array): Receipt | undefined {
  if (bytes.length !== RECEIPT_BYTES) {
    return undefined;
  }
  const offset = readUint64(bytes, OFFSET_AT);
  const consumerEpoch = readUint64(bytes, EPOCH_AT);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(consumerEpoch)) {
    return undefined;
  }
  return {
    partition: readUint32(bytes, 0) >>> 16,
    lane: bytes[LANE_AT] ?? 0,
    attempt: bytes[ATTEMPT_AT] ?? 0,
    offset,
    deliveryNumber: readUint32(bytes, DELIVERY_AT),
    consumerEpoch,
    tag: new Uint8Array(bytes.buffer, bytes.byteOffset + TAG_AT, RECEIPT_TAG_BYTES),
  };
}

/** The partition of a receipt, for routing; undefined if it is malformed. */
export function partitionOfReceipt(bytes: Uint8Array): number | undefined {
  return bytes.length === RECEIPT_BYTES ? ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0) : undefined;
}

function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(value % TWO_32, at + 4);
}

function readUint64(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * TWO_32 + readUint32(bytes, at + 4);
}

/** By hand: a DataView for each receipt would cost more than its reading. */
function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return ((high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}
