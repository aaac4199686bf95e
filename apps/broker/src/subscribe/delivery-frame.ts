import { RECEIPT_BYTES, RECEIPT_TAG_BYTES } from '@hermes/contracts';
import { type Dispatch } from '@hermes/delivery';
import { type RecordBlock } from '@hermes/log';

/** What all deliveries of one subscription from one partition share. */
export interface FrameSource {
  readonly partition: number;
  readonly consumerEpoch: number;
  readonly fencingToken: number;
  /** RECEIPT_TAG_BYTES bytes: see Receipts. */
  readonly receiptTag: Uint8Array;
}

/** One delivery and where its record is: a view, nothing is copied before the frame is written. */
export interface FrameEntry {
  readonly dispatch: Dispatch;
  readonly record: { readonly block: RecordBlock; readonly index: number };
}

const TWO_32 = 2 ** 32;

/** SubscribeResponse.batch, DeliveryBatch.sequence, DeliveryBatch.deliveries. */
const BATCH = 0x12;
const SEQUENCE = 0x08;
const DELIVERY = 0x12;

/** Fields of Delivery. */
const RECEIPT = 0x0a;
const MESSAGE = 0x12;
const PARTITION = 0x18;
const LANE = 0x20;
const OFFSET = 0x28;
const ATTEMPT = 0x30;
const REDELIVERED = 0x38;
const FENCING_TOKEN = 0x40;
const PUBLISHED_AT = 0x4a;

/** Most that a delivery takes beside its message: for cutting frames at their limit. */
export const DELIVERY_OVERHEAD_BYTES_MAX = 128;

/**
 * The bytes of a SubscribeResponse with one batch. Written by hand and once: sizes first, then each record straight
 * from its block into the frame. Equal to the generated code's, see the test.
 */
export function encodeDeliveryFrame(source: FrameSource, sequence: number, entries: readonly FrameEntry[]): Buffer {
  const sizes = new Uint32Array(entries.length);
  let batchSize = 1 + varintBytes(sequence);
  entries.forEach((entry, index) => {
    const size = deliveryBytes(source, entry);
    sizes[index] = size;
    batchSize += 1 + varintBytes(size) + size;
  });
  const writer = new FrameWriter(1 + varintBytes(batchSize) + batchSize);
  writer.field(BATCH, batchSize);
  writer.field(SEQUENCE, sequence);
  entries.forEach((entry, index) => {
    writer.field(DELIVERY, sizes[index] ?? 0);
    writeDelivery(writer, source, entry);
  });
  return writer.bytes;
}

function deliveryBytes(source: FrameSource, { dispatch, record }: FrameEntry): number {
  const messageBytes = record.block.bytes(record.index);
  const publishedAt = publishedAtBytes(record.block.appendedAtMs(record.index));
  return (
    2 +
    RECEIPT_BYTES +
    (1 + varintBytes(messageBytes) + messageBytes) +
    numberBytes(source.partition) +
    numberBytes(dispatch.lane) +
    numberBytes(dispatch.offset) +
    numberBytes(dispatch.attempt) +
    (dispatch.redelivered ? 2 : 0) +
    numberBytes(source.fencingToken) +
    (2 + publishedAt.length)
  );
}

function writeDelivery(writer: FrameWriter, source: FrameSource, { dispatch, record }: FrameEntry): void {
  writer.field(RECEIPT, RECEIPT_BYTES);
  writer.receipt(source, dispatch);
  const message = record.block.record(record.index);
  writer.field(MESSAGE, message.length);
  writer.put(message);
  writer.number(PARTITION, source.partition);
  writer.number(LANE, dispatch.lane);
  writer.number(OFFSET, dispatch.offset);
  writer.number(ATTEMPT, dispatch.attempt);
  writer.number(REDELIVERED, dispatch.redelivered ? 1 : 0);
  writer.number(FENCING_TOKEN, source.fencingToken);
  const publishedAt = publishedAtBytes(record.block.appendedAtMs(record.index));
  writer.field(PUBLISHED_AT, publishedAt.length);
  writer.put(publishedAt);
}

/** Writes into one Buffer whose size is known. */
class FrameWriter {
  readonly bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  /** A tag of one byte and a number: a varint's value or a length. */
  field(tag: number, value: number): void {
    this.bytes[this.#at] = tag;
    this.#at = writeVarint(this.bytes, this.#at + 1, value);
  }

  /** The same, left out if it is proto3's default. */
  number(tag: number, value: number): void {
    if (value !== 0) {
      this.field(tag, value);
    }
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** As `encodeReceipt` writes it. */
  receipt(source: FrameSource, dispatch: Dispatch): void {
    const { bytes } = this;
    let at = this.#at;
    at = bytes.writeUInt16BE(source.partition, at);
    at = bytes.writeUInt8(dispatch.lane, at);
    at = bytes.writeUInt8(dispatch.attempt, at);
    at = writeUint64(bytes, at, dispatch.offset);
    at = bytes.writeUInt32BE(dispatch.deliveryNo, at);
    at = writeUint64(bytes, at, source.consumerEpoch);
    bytes.set(source.receiptTag, at);
    this.#at = at + RECEIPT_TAG_BYTES;
  }
}

/** Records of one commit have one time: its last encoding is kept. */
let lastPublishedAtMs = -1;
let lastPublishedAt: Uint8Array = new Uint8Array(0);

function publishedAtBytes(ms: number): Uint8Array {
  if (ms !== lastPublishedAtMs) {
    lastPublishedAt = encodeTimestamp(Math.floor(ms));
    lastPublishedAtMs = ms;
  }
  return lastPublishedAt;
}

function encodeTimestamp(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1_000);
  const nanos = (ms % 1_000) * 1_000_000;
  const bytes = Buffer.allocUnsafe(numberBytes(seconds) + numberBytes(nanos));
  let at = 0;
  if (seconds !== 0) {
    bytes[at] = 0x08;
    at = writeVarint(bytes, at + 1, seconds);
  }
  if (nanos !== 0) {
    bytes[at] = 0x10;
    writeVarint(bytes, at + 1, nanos);
  }
  return bytes;
}

function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes += 1;
  }
  return bytes;
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}

function writeUint64(bytes: Buffer, at: number, value: number): number {
  bytes.writeUInt32BE(Math.floor(value / TWO_32), at);
  return bytes.writeUInt32BE(value % TWO_32, at + 4);
}
