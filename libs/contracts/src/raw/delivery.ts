import { publishedAtBytes, readPublishedAt, writePublishedAt } from './published-at.js';
import { WireReader } from './wire-reader.js';
import { fieldBytes, int32Bytes, varintBytes, type WireWriter } from './wire-writer.js';

/** A Delivery whose message is bytes, as published. */
export interface RawDelivery {
  receipt: Uint8Array;
  message: Uint8Array;
  partition: number;
  lane: number;
  offset: number;
  attempt: number;
  redelivered: boolean;
  fencingToken: number;
  /** Whole milliseconds since 1970, on the store's clock. */
  publishedAtMs: number;
}

/** A DeliveryBatch of such deliveries. */
export interface RawDeliveryBatch {
  sequence: number;
  deliveries: RawDelivery[];
}

const BATCH_SEQUENCE = 8;
const BATCH_DELIVERY = 18;

const RECEIPT = 10;
const MESSAGE = 18;
const PARTITION = 24;
const LANE = 32;
const OFFSET = 40;
const ATTEMPT = 48;
const REDELIVERED = 56;
const FENCING_TOKEN = 64;
const PUBLISHED_AT = 74;

/** Bytes that a delivery adds to a batch: for cutting batches at the frame limit. */
export function deliveryFieldBytes(delivery: RawDelivery): number {
  return fieldBytes(deliveryBytes(delivery));
}

/** Bytes of a batch. */
export function batchBytes(batch: RawDeliveryBatch): number {
  let size = batch.sequence === 0 ? 0 : 1 + varintBytes(batch.sequence);
  for (const delivery of batch.deliveries) {
    size += deliveryFieldBytes(delivery);
  }
  return size;
}

/** Writes a batch of `batchBytes` bytes. */
export function writeBatch(writer: WireWriter, batch: RawDeliveryBatch): void {
  if (batch.sequence !== 0) {
    writer.tag(BATCH_SEQUENCE).varint(batch.sequence);
  }
  for (const delivery of batch.deliveries) {
    writer.tag(BATCH_DELIVERY).varint(deliveryBytes(delivery));
    writeDelivery(writer, delivery);
  }
}

/** Reads a batch; receipts and messages are views of `bytes`. */
export function decodeBatch(bytes: Uint8Array): RawDeliveryBatch {
  const reader = new WireReader(bytes);
  const batch: RawDeliveryBatch = { sequence: 0, deliveries: [] };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === BATCH_SEQUENCE) {
      batch.sequence = reader.uint64();
    } else if (tag === BATCH_DELIVERY) {
      batch.deliveries.push(reader.message(decodeDelivery));
    } else {
      reader.skip(tag);
    }
  }
  return batch;
}

function intField(value: number): number {
  return value === 0 ? 0 : 1 + int32Bytes(value);
}

function uintField(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** Bytes of a delivery, without its length before it. */
export function deliveryBytes(delivery: RawDelivery): number {
  return (
    (delivery.receipt.length === 0 ? 0 : fieldBytes(delivery.receipt.length)) +
    fieldBytes(delivery.message.length) +
    intField(delivery.partition) +
    intField(delivery.lane) +
    uintField(delivery.offset) +
    intField(delivery.attempt) +
    (delivery.redelivered ? 2 : 0) +
    uintField(delivery.fencingToken) +
    publishedAtBytes(delivery.publishedAtMs)
  );
}

/** Writes a delivery of `deliveryBytes` bytes. */
export function writeDelivery(writer: WireWriter, delivery: RawDelivery): void {
  if (delivery.receipt.length > 0) {
    writer.field(RECEIPT, delivery.receipt);
  }
  writer.field(MESSAGE, delivery.message);
  writeInt(writer, PARTITION, delivery.partition);
  writeInt(writer, LANE, delivery.lane);
  if (delivery.offset !== 0) {
    writer.tag(OFFSET).varint(delivery.offset);
  }
  writeInt(writer, ATTEMPT, delivery.attempt);
  if (delivery.redelivered) {
    writer.tag(REDELIVERED).varint(1);
  }
  if (delivery.fencingToken !== 0) {
    writer.tag(FENCING_TOKEN).varint(delivery.fencingToken);
  }
  writePublishedAt(writer, PUBLISHED_AT, delivery.publishedAtMs);
}

function writeInt(writer: WireWriter, tag: number, value: number): void {
  if (value !== 0) {
    writer.tag(tag).int32(value);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Reads a delivery up to the reader's end; receipt and message are views. */
export function decodeDelivery(reader: WireReader): RawDelivery {
  const delivery: RawDelivery = {
    receipt: NO_BYTES,
    message: NO_BYTES,
    partition: 0,
    lane: 0,
    offset: 0,
    attempt: 0,
    redelivered: false,
    fencingToken: 0,
    publishedAtMs: 0,
  };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case RECEIPT:
        delivery.receipt = reader.view();
        break;
      case MESSAGE:
        delivery.message = reader.view();
        break;
      case PARTITION:
        delivery.partition = reader.int32();
        break;
      case LANE:
        delivery.lane = reader.int32();
        break;
      case OFFSET:
        delivery.offset = reader.uint64();
        break;
      case ATTEMPT:
        delivery.attempt = reader.int32();
        break;
      case REDELIVERED:
        delivery.redelivered = reader.bool();
        break;
      case FENCING_TOKEN:
        delivery.fencingToken = reader.uint64();
        break;
      case PUBLISHED_AT:
        delivery.publishedAtMs = readPublishedAt(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  return delivery;
}
