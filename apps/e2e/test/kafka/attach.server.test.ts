import { randomUUID } from 'node:crypto';

import { connect, Durability, type Hermes, PositionEdge, StorageClass, stringCodec } from '@hermes/client';
import { eventually, sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';
import { Kafka, logLevel } from 'kafkajs';

import { Cluster } from '../harness/cluster.js';

jest.setTimeout(120_000);

const PARTITIONS = 2;
const MESSAGES = 200;

/** What one consumer was given, by the bodies. */
interface Seen {
  readonly bodies: string[];
  readonly attributes: Map<string, Record<string, string>>;
  stop(): Promise<void>;
}

function consume(hermes: Hermes, topic: string, group = 'billing'): Seen {
  const consumer = hermes.consumer(topic, group, { codec: stringCodec, concurrency: 50 });
  const bodies: string[] = [];
  const attributes = new Map<string, Record<string, string>>();
  const running = consumer.run(({ body, message }) => {
    bodies.push(body);
    attributes.set(body, Object.fromEntries(message.attributes));
  });
  return {
    ...{ bodies, attributes },
    stop: async () => {
      await consumer.drain();
      await running;
    },
  };
}

/** Reads everything as a client of Kafka that knows nothing of Hermes. */
async function readAll(kafka: Kafka, topic: string, until: (bodies: readonly string[]) => boolean): Promise<Plain[]> {
  const found: Plain[] = [];
  const consumer = kafka.consumer({ groupId: randomUUID() });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message: { key, value, headers } }) => {
      const texts = Object.entries({ ...headers }).map(([name, text]) => [name, String(text)] as const);
      found.push({ key: String(key), body: String(value), headers: Object.fromEntries(texts) });
      return Promise.resolve();
    },
  });
  await eventually(() => until(found.map(({ body }) => body)), { deadlineMs: 30_000 });
  await consumer.disconnect();
  return found;
}

interface Plain {
  readonly key: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

/** Messages of another client of Kafka. */
async function produce(kafka: Kafka, topic: string, name: string): Promise<string[]> {
  const producer = kafka.producer();
  await producer.connect();
  const values = Array.from({ length: MESSAGES }, (_, i) => `${name}-${i}`);
  const messages = values.map((value, i) => ({ key: `key-${i % 20}`, value, headers: { source: name } }));
  await producer.send({ topic, messages });
  await producer.disconnect();
  return values;
}

beforeAll(() => sharedKafka(), SHARED_SERVER_DEADLINE_MS);

describe('a topic that is attached to an existing Kafka topic', () => {
  it('shares its messages with other clients of Kafka, both ways, and goes on after a restart', async () => {
    const brokers = [...(await sharedKafka()).bootstrap];
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
    const kafkaTopic = `shop.${randomUUID()}`;
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic: kafkaTopic, numPartitions: PARTITIONS, replicationFactor: 1 }],
    });
    const before = await produce(kafka, kafkaTopic, 'before');

    await using cluster = await Cluster.start({ brokers: 1 });
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await hermes.admin.createDataSource({ name: 'k', storageClass: StorageClass.KAFKA, endpoints: brokers });
    const storage = { storageClass: StorageClass.KAFKA, dataSources: ['k'], partitions: PARTITIONS };
    const fields = { ...storage, requiredDurability: Durability.BUFFERED };
    await hermes.admin.createTopic({ ...fields, name: 'events', kafka: { topic: kafkaTopic, readOnly: false } });
    const start = { kind: { $case: 'edge' as const, value: PositionEdge.EARLIEST } };
    await hermes.admin.createGroup({ topic: 'events', name: 'billing', start });

    const seen = consume(hermes, 'events');
    await eventually(() => seen.bodies.length >= MESSAGES, { deadlineMs: 30_000 });
    expect([...seen.bodies].sort()).toEqual([...before].sort());
    expect(seen.attributes.get('before-7')).toEqual({ source: 'before' });

    const producer = hermes.producer('events', { codec: stringCodec });
    await producer.publish('ours', { key: 'key-1', attributes: { trace: 'abc' }, refKey: 'order-1' });
    await producer.publish('later', { key: 'key-1', delayMs: 100 });
    const plain = await readAll(kafka, kafkaTopic, ({ length }) => length >= MESSAGES + 2);
    expect(plain.map(({ body }) => body).sort()).toEqual([...before, 'later', 'ours'].sort());
    expect(plain.find(({ body }) => body === 'ours')).toMatchObject({
      ...{ key: 'key-1', headers: { trace: 'abc', 'hermes-ref-key': 'order-1' } },
    });
    await eventually(() => seen.bodies.length >= MESSAGES + 2, { deadlineMs: 30_000 });
    await seen.stop();

    await cluster.brokers[0]!.process.end('SIGKILL');
    const meanwhile = await produce(kafka, kafkaTopic, 'while');
    cluster.brokers[0]!.process.start();
    const again = consume(hermes, 'events');
    await eventually(() => new Set(again.bodies).size >= MESSAGES, { deadlineMs: 60_000 });
    await producer.publish('afterwards', { key: 'key-1' });
    await eventually(() => again.bodies.includes('afterwards'), { deadlineMs: 30_000 });
    await again.stop();
    // What was acknowledged before is over.
    expect(again.bodies.filter((body) => body.startsWith('before'))).toEqual([]);
    expect([...again.bodies].sort()).toEqual(['afterwards', ...meanwhile].sort());

    await hermes.admin.createTopic({ ...fields, name: 'audit', kafka: { topic: kafkaTopic, readOnly: true } });
    await expect(hermes.producer('audit').publish('no')).rejects.toMatchObject({
      ...{ code: 'UNSUPPORTED_BY_STORAGE', details: { feature: 'publish' } },
    });
    await expect(hermes.producer('audit').publish('no', { delayMs: 60_000 })).rejects.toMatchObject({
      code: 'UNSUPPORTED_BY_STORAGE',
    });

    // LATEST is the end that Kafka has, not the one that the broker has heard of: nobody reads here.
    await hermes.admin.createGroup({ topic: 'audit', name: 'first' });
    await produce(kafka, kafkaTopic, 'early');
    await hermes.admin.createGroup({ topic: 'audit', name: 'late' });
    await producer.publish('fresh');
    const late = consume(hermes, 'audit', 'late');
    await eventually(() => late.bodies.length > 0, { deadlineMs: 30_000 });
    await late.stop();
    expect(late.bodies).toEqual(['fresh']);

    await hermes.admin.deleteTopic('events');
    await hermes.admin.deleteTopic('audit');
    await eventually(async () => {
      expect(await names(hermes)).toEqual([]);
    });
    const ends = await admin.fetchTopicOffsets(kafkaTopic);
    expect(ends.reduce((sum, { low, high }) => sum + Number(high) - Number(low), 0)).toBe(3 * MESSAGES + 4);
    await admin.deleteTopics({ topics: [kafkaTopic] });
    await admin.disconnect();
  });
});

async function names(hermes: Hermes): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of hermes.admin.listTopics()) {
    found.push(name);
  }
  return found;
}
