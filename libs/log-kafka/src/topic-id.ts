import type { Broker } from 'kafkajs/src/cluster/index.js';
import apiKeys from 'kafkajs/src/protocol/requests/apiKeys.js';

import { sendCall } from './send-produce.js';

/** The first version of a Metadata request that tells topics' ids, of Kafka 2.8; kafkajs knows older ones alone. */
const VERSION = 10;

const NAMES = { apiKey: apiKeys.Metadata, apiName: 'Metadata', apiVersion: VERSION };

const UUID_BYTES = 16;

/**
 * What tells a Kafka topic from another one of the same name, made later; undefined if there is no such topic, or if the
 * broker is older than 2.8. Rejects as kafkajs does.
 */
export async function askTopicId(broker: Broker, topic: string): Promise<string | undefined> {
  if ((broker.versions?.[apiKeys.Metadata]?.maxVersion ?? 0) < VERSION) {
    return undefined;
  }
  const buffer = encodeRequest(topic);
  const answer = await sendCall(broker, {
    request: { ...NAMES, encode: () => Promise.resolve({ buf: buffer, buffer }) },
    response: {
      decode: (bytes: Buffer) => Promise.resolve({ topicId: decodeTopicId(bytes) }),
      parse: (decoded: unknown) => Promise.resolve(decoded),
    },
  });
  return (answer as { readonly topicId: string | undefined }).topicId;
}

/** One topic, by its name. Lengths have one added; each part ends with a count of tagged fields, which is none. */
function encodeRequest(topic: string): Buffer {
  const name = Buffer.from(topic);
  const noTags = [0];
  const head = Buffer.from([...noTags, 1 + 1]);
  const isCreated = 0;
  const operations = [0, 0];
  const length = uvarint(name.length + 1);
  const tail = Buffer.from([...noTags, isCreated, ...operations, ...noTags]);
  return Buffer.concat([head, Buffer.alloc(UUID_BYTES), length, name, tail]);
}

function decodeTopicId(bytes: Buffer): string | undefined {
  const reader = new CompactReader(bytes);
  reader.tags();
  reader.skip(4); // How long to wait.
  for (let brokers = reader.length(); brokers > 0; brokers -= 1) {
    reader.skip(4);
    reader.text();
    reader.skip(4);
    reader.text();
    reader.tags();
  }
  reader.text(); // The cluster's id.
  reader.skip(4); // The controller.
  if (reader.length() === 0 || reader.take(2).readInt16BE(0) !== 0) {
    return undefined;
  }
  reader.text();
  const id = reader.take(UUID_BYTES);
  return id.every((byte) => byte === 0) ? undefined : id.toString('hex');
}

/** Reads what has lengths as Kafka's newer messages have them. */
class CompactReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(bytes: number): Buffer {
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  skip(bytes: number): void {
    this.take(bytes);
  }

  /** Of a text or a list; 0 if there is none. */
  length(): number {
    return Math.max(0, this.#uvarint() - 1);
  }

  text(): void {
    this.skip(this.length());
  }

  tags(): void {
    for (let tags = this.#uvarint(); tags > 0; tags -= 1) {
      this.#uvarint();
      this.skip(this.#uvarint());
    }
  }

  #uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.take(1).readUInt8(0);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
  }
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) {
    bytes.push((rest & 0x7f) | 0x80);
  }
  return Buffer.from([...bytes, rest]);
}
