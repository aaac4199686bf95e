import { randomUUID } from 'node:crypto';

import { Message } from '@hermes/contracts';
import {
  AppendBatch,
  type AttachedTopic,
  type MessageLog,
  type OpenPartitionOutcome,
  type PartitionStore,
  type StorageEngine,
} from '@hermes/log';
import { openEmbeddedEngine } from '@hermes/log-sqlite';
import { eventually, sharedKafka, temporaryDirectory } from '@hermes/testing';
import { CompressionTypes, type IHeaders, Kafka, logLevel, type Message as KafkaMessage } from 'kafkajs';

import { type KafkaEngine, openKafkaEngine } from '../../src/index.js';

export const EVERYTHING = { maxRecords: 10_000, maxBytes: 10_000_000 };
export const TOPIC_ID = 7;

/** Messages as other clients of Kafka see them, and as Hermes does. */
export class AttachedFixture {
  readonly topic = `t-${randomUUID()}`;
  readonly #directory = temporaryDirectory();
  #epoch = 0;

  private constructor(
    readonly kafka: Kafka,
    readonly brokers: string[],
  ) {}

  state!: StorageEngine;
  engine!: KafkaEngine;
  readonly notices: string[] = [];

  static async make(bootstrap?: readonly string[]): Promise<AttachedFixture> {
    const brokers = [...(bootstrap ?? (await sharedKafka()).bootstrap)];
    const fixture = new AttachedFixture(new Kafka({ brokers, logLevel: logLevel.NOTHING }), brokers);
    await fixture.open();
    return fixture;
  }

  async open(): Promise<void> {
    this.state = await openEmbeddedEngine({ directory: this.#directory.path, shards: 1, onFatal: () => undefined });
    this.engine = await this.connect();
  }

  /** Another engine on the same state. */
  connect(): Promise<KafkaEngine> {
    return openKafkaEngine({
      ...{ server: { brokers: this.brokers }, topics: { prefix: this.topic }, state: this.state },
      onNotice: (notice) => this.notices.push(notice.kind === 'taskFailed' ? notice.task : notice.problem),
    });
  }

  async close(): Promise<void> {
    await this.engine.close();
    await this.state.close();
  }

  async dispose(): Promise<void> {
    await this.close();
    await this.admin(async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(this.topic));
      await admin.deleteTopics({ topics: names });
    });
    this.#directory.remove();
  }

  async admin<T>(use: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return await use(admin);
    } finally {
      await admin.disconnect();
    }
  }

  async create(config: Record<string, string> = {}, numPartitions = 1): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await this.admin((admin) =>
      admin.createTopics({ waitForLeaders: true, topics: [{ topic: this.topic, numPartitions, configEntries }] }),
    );
  }

  /** Writes as another client does. */
  async produce(messages: KafkaMessage[], compression = CompressionTypes.None, idempotent = false): Promise<void> {
    const producer = this.kafka.producer({ idempotent });
    await producer.connect();
    await producer.send({ topic: this.topic, messages, compression, acks: -1 });
    await producer.disconnect();
  }

  /** Reads all as another client does. */
  async consume(count: number): Promise<{ key: string | undefined; value: string; headers: Record<string, string> }[]> {
    const consumer = this.kafka.consumer({ groupId: randomUUID() });
    await consumer.connect();
    await consumer.subscribe({ topic: this.topic, fromBeginning: true });
    const found: { key: string | undefined; value: string; headers: Record<string, string> }[] = [];
    await consumer.run({
      eachMessage: ({ message }) => {
        const { key, value } = message;
        const headers: IHeaders = message.headers ?? {};
        const texts = Object.entries(headers).map(([name, text]) => [name, String(text)] as const);
        found.push({ key: key?.toString(), value: String(value), headers: Object.fromEntries(texts) });
        return Promise.resolve();
      },
    });
    await eventually(() => found.length >= count, { deadlineMs: 20_000 });
    await consumer.disconnect();
    return found;
  }

  request(attached: Partial<AttachedTopic> = {}, partitions = 1, partition = 0): Promise<OpenPartitionOutcome> {
    this.#epoch += 1;
    return this.engine.openPartition({
      ...{ topicId: TOPIC_ID, partition, epoch: this.#epoch, incarnation: 1, lanes: 1, created: this.#epoch > 1 },
      shape: {
        partitions,
        attached: { topic: this.topic, readOnly: false, ...attached },
      },
    });
  }

  async attached(attached: Partial<AttachedTopic> = {}): Promise<PartitionStore> {
    const outcome = await this.request(attached);
    if (outcome.kind !== 'opened') {
      throw new Error(outcome.kind);
    }
    return outcome.store;
  }
}

export function laneOf({ lanes }: PartitionStore): MessageLog {
  return lanes[0] as MessageLog;
}

/** All messages from `from` on, with their offsets. */
export async function read(log: MessageLog, from = 0): Promise<{ offset: number; message: Message; atMs: number }[]> {
  const found: { offset: number; message: Message; atMs: number }[] = [];
  for (let next = from; next < log.nextOffset;) {
    const block = await log.read(next, EVERYTHING);
    for (let index = 0; index < block.count; index += 1) {
      const message = Message.decode(Uint8Array.from(block.record(index)));
      found.push({ offset: block.offset(index), message, atMs: block.appendedAtMs(index) });
    }
    next = block.nextOffset;
  }
  return found;
}

export const bodies = async (log: MessageLog, from = 0): Promise<string[]> =>
  (await read(log, from)).map(({ message }) => String(message.body));

export function batch(messages: Partial<Message>[], scheduleId = 0): AppendBatch {
  const records = messages.map((message) => ({
    ...{ record: Message.encode(Message.create(message)).finish(), keyHash: 0, expiresAtMs: 5_000_000_000_000 },
    scheduleId,
  }));
  return AppendBatch.pack(1, records);
}
