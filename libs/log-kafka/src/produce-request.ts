import type { IHeaders, Message } from 'kafkajs';

import { crc32c } from './crc32c.js';
import { varintBytesSize, varintSize, WireWriter } from './wire-writer.js';

/** A batch of one partition. */
export interface PartitionBatch {
  readonly partition: number;
  /** Number of the first record; the others follow. */
  readonly firstSequence: number;
  /** All with the same timestamp. At least one. */
  readonly messages: readonly Message[];
}

export interface ProduceRequest {
  readonly timeoutMs: number;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly PartitionBatch[] }[];
}

/** A record as bytes. */
interface PlainRecord {
  /** Without its own length. */
  readonly size: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: Uint8Array, value: Uint8Array | null])[];
}

type Bytes = Buffer | string | null | undefined;

const ALL_REPLICAS = -1;
const MAGIC = 2;
/** What stands before a batch's records. */
const BATCH_BYTES = 61;
/** What its length does not count: the offset, and the length itself. */
const BATCH_PREFIX_BYTES = 12;
/** The checksum, and what it covers, to the end of the batch. */
const CRC_AT = 17;
const COVERED_AT = 21;

/**
 * The body of a Produce request without a transaction, in versions 3 to 7, which are alike. kafkajs makes a buffer that
 * grows for each record, and copies it seven times; here it is copied once.
 */
export function encodeProduce({ timeoutMs, producerId, producerEpoch, topics }: ProduceRequest): Buffer {
  const names = new Names();
  const plain = topics.map(({ topic, partitions }) => ({
    topic: names.bytesOf(topic),
    partitions: partitions.map((batch) => ({
      batch,
      records: batch.messages.map((each, i) => toPlain(each, i, names)),
    })),
  }));
  const sizes = plain.flatMap(({ topic, partitions }) => [
    ...[2 + topic.length + 4],
    ...partitions.map(({ records }) => 8 + batchSize(records)),
  ]);
  const writer = new WireWriter(sizes.reduce((sum, size) => sum + size, 2 + 2 + 4 + 4));
  writer.int16(-1);
  writer.int16(ALL_REPLICAS);
  writer.int32(timeoutMs);
  writer.int32(plain.length);
  const producer = { id: BigInt(producerId), epoch: producerEpoch };
  for (const { topic, partitions } of plain) {
    writer.string(topic);
    writer.int32(partitions.length);
    for (const { batch, records } of partitions) {
      writer.int32(batch.partition);
      writer.int32(batchSize(records));
      writeBatch(writer, batch, { records, producer });
    }
  }
  return writer.bytes;
}

function writeBatch(
  writer: WireWriter,
  { messages, firstSequence }: PartitionBatch,
  {
    records,
    producer,
  }: {
    readonly records: readonly PlainRecord[];
    readonly producer: { readonly id: bigint; readonly epoch: number };
  },
): void {
  const start = writer.at;
  const timestamp = BigInt(messages[0]?.timestamp ?? 0);
  writer.int64(0n);
  writer.int32(batchSize(records) - BATCH_PREFIX_BYTES);
  writer.int32(0);
  writer.int8(MAGIC);
  writer.int32(0);
  writer.int16(0);
  writer.int32(records.length - 1);
  writer.int64(timestamp);
  writer.int64(timestamp);
  writer.int64(producer.id);
  writer.int16(producer.epoch);
  writer.int32(firstSequence);
  writer.int32(records.length);
  records.forEach((record, index) => {
    writeRecord(writer, record, index);
  });
  const covered = writer.bytes.subarray(start + COVERED_AT, writer.at);
  writer.bytes.writeUInt32BE(crc32c(covered), start + CRC_AT);
}

function writeRecord(writer: WireWriter, { size, key, value, headers }: PlainRecord, index: number): void {
  writer.varint(size);
  writer.int8(0);
  // Behind the batch's timestamp.
  writer.varint(0);
  writer.varint(index);
  writer.varintBytes(key);
  writer.varintBytes(value);
  writer.varint(headers.length);
  for (const [name, bytes] of headers) {
    writer.varintBytes(name);
    writer.varintBytes(bytes);
  }
}

function toPlain(message: Message, index: number, names: Names): PlainRecord {
  const [key, value] = [toBytes(message.key), toBytes(message.value)];
  const headers = toHeaders(message.headers, names);
  // The attributes and the timestamp have a byte each.
  let size = 2 + varintSize(index) + varintBytesSize(key) + varintBytesSize(value) + varintSize(headers.length);
  for (const [name, bytes] of headers) {
    size += varintBytesSize(name) + varintBytesSize(bytes);
  }
  return { size, key, value, headers };
}

function toHeaders(headers: IHeaders | undefined, names: Names): PlainRecord['headers'] {
  const found: [Uint8Array, Uint8Array | null][] = [];
  for (const name in headers) {
    const given = headers[name];
    for (const value of Array.isArray(given) ? given : [given]) {
      found.push([names.bytesOf(name), toBytes(value)]);
    }
  }
  return found;
}

function toBytes(given: Bytes): Uint8Array | null {
  return typeof given === 'string' ? Buffer.from(given) : (given ?? null);
}

function batchSize(records: readonly PlainRecord[]): number {
  return records.reduce((sum: number, { size }) => sum + varintSize(size) + size, BATCH_BYTES);
}

/** Names come again and again: each is encoded once. */
class Names {
  readonly #bytes = new Map<string, Buffer>();

  bytesOf(name: string): Buffer {
    let bytes = this.#bytes.get(name);
    if (bytes === undefined) {
      bytes = Buffer.from(name);
      this.#bytes.set(name, bytes);
    }
    return bytes;
  }
}
