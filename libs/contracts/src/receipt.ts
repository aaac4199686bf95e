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
  const view = new DataView(bytes.buffer, bytes.byteOffset, RECEIPT_BYTES);
  const offset = readUint64(view, OFFSET_AT);
  const consumerEpoch = readUint64(view, EPOCH_AT);
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(consumerEpoch)) {
    return undefined;
  }
  return {
    partition: view.getUint16(0),
    lane: view.getUint8(LANE_AT),
    attempt: view.getUint8(ATTEMPT_AT),
    offset,
    deliveryNumber: view.getUint32(DELIVERY_AT),
    consumerEpoch,
    tag: bytes.subarray(TAG_AT),
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

function readUint64(view: DataView, at: number): number {
  return view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
}
