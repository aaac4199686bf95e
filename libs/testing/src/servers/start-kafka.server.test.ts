import { env } from 'node:process';

import { type Consumer, Kafka, logLevel } from 'kafkajs';

import { eventually } from '../eventually.js';
import { FaultProxy } from '../fault-proxy.js';
import { ifSourceExists } from './if-source-exists.js';
import { KAFKA_SASL_MECHANISMS, type KafkaClientOptions, type KafkaCluster, type KafkaLogin } from './kafka-cluster.js';
import { SERVER_SOURCES, type ServerSource } from './server-source.js';
import { type KafkaOptions, sharedKafka, startKafka } from './start-kafka.js';

/** Java and the jars may have to come first. */
jest.setTimeout(600_000);

/** Longer than a broker that is gone goes unnoticed. */
const FAIL_OVER_DEADLINE_MS = 60_000;

function startFrom(source: ServerSource, options: KafkaOptions): Promise<KafkaCluster | undefined> {
  return ifSourceExists(source, () => startKafka({ ...options, sources: [source] }));
}

function client(options: KafkaClientOptions): Kafka {
  return new Kafka({ ...options, logLevel: logLevel.NOTHING, retry: { retries: 3, initialRetryTime: 50 } });
}

async function createTopic(kafka: Kafka, topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
  // kafkajs gives up waiting as soon as it asks a broker that has not heard of the topic yet.
  await eventually(async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    expect(topics[0]?.partitions[0]?.leader).toBeGreaterThanOrEqual(0);
  });
  await admin.disconnect();
}

/** Writes one record that all replicas in sync have. */
async function produce(kafka: Kafka, topic: string, value: string): Promise<void> {
  const producer = kafka.producer({ createPartitioner: () => () => 0 });
  await producer.connect();
  try {
    await producer.send({ topic, acks: -1, messages: [{ value }] });
  } finally {
    await producer.disconnect();
  }
}

/** The first so many values of the topic. */
async function consume(kafka: Kafka, topic: string, count: number): Promise<string[]> {
  const consumer: Consumer = kafka.consumer({ groupId: `group-of-${topic}` });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        values.push(String(message.value));
        return Promise.resolve();
      },
    });
    await eventually(() => values.length >= count, { deadlineMs: FAIL_OVER_DEADLINE_MS });
    return values;
  } finally {
    await consumer.disconnect();
  }
}

async function leaderOf(kafka: Kafka, topic: string): Promise<number | undefined> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions[0]?.leader;
  } finally {
    await admin.disconnect();
  }
}

describe.each(SERVER_SOURCES)('startKafka: one broker from %s', (source) => {
  it('has its settings, makes no topic by itself, and keeps address and records over a kill, a stop and a pause', async () => {
    await using cluster = await startFrom(source, { settings: { 'message.max.bytes': '2000' } });
    if (cluster === undefined) {
      return;
    }
    const kafka = client(cluster.clientOptions());
    const [broker] = cluster.brokers;
    await createTopic(kafka, 'kept');
    await produce(kafka, 'kept', 'one');
    await broker?.kill();
    await expect(produce(kafka, 'kept', 'nowhere')).rejects.toThrow(/ECONNREFUSED|Connection/);
    await broker?.start();
    await produce(kafka, 'kept', 'two');
    await broker?.stop();
    await broker?.start();
    expect(await consume(kafka, 'kept', 2)).toEqual(['one', 'two']);
    await expect(produce(kafka, 'not-made', 'one')).rejects.toThrow('does not host this topic-partition');
    // Its setting.
    await expect(produce(kafka, 'kept', 'x'.repeat(4_000))).rejects.toThrow('larger than the max message size');
    await broker?.pause();
    const admin = new Kafka({
      ...cluster.clientOptions(),
      logLevel: logLevel.NOTHING,
      requestTimeout: 500,
      retry: { retries: 0 },
    }).admin();
    // The system takes connections in the name of a process that stands still.
    await expect(admin.connect()).rejects.toThrow(/timed out/);
    await broker?.resume();
    await produce(kafka, 'kept', 'three');
  });
});

describe('startKafka: three brokers', () => {
  it('go on with acks=-1 when the leader is killed, and are three again afterwards', async () => {
    await using cluster = await startKafka({ brokers: 3 });
    const kafka = client(cluster.clientOptions());
    await createTopic(kafka, 'replicated');
    await produce(kafka, 'replicated', 'before');
    const leader = await leaderOf(kafka, 'replicated');
    const broker = cluster.brokers.find(({ nodeId }) => nodeId === leader);
    await broker?.kill();
    await eventually(() => produce(kafka, 'replicated', 'after').then(() => true), {
      deadlineMs: FAIL_OVER_DEADLINE_MS,
    });
    expect(await leaderOf(kafka, 'replicated')).not.toBe(leader);
    await broker?.start();
    const admin = kafka.admin();
    await admin.connect();
    await eventually(async () => (await admin.describeCluster()).brokers.length === 3);
    await admin.disconnect();
    // Only now: whether kafkajs' consumer finds a coordinator while a broker is dead is not what is tested.
    expect(new Set(await consume(kafka, 'replicated', 2))).toEqual(new Set(['before', 'after']));
  });
});

describe.each(KAFKA_SASL_MECHANISMS.map((sasl, index) => ({ sasl, tls: index > 0 })))(
  'startKafka with $sasl, TLS: $tls',
  (security) => {
    it('lets in who knows the password, and a stranger to nothing', async () => {
      await using cluster = await startKafka({ security });
      const kafka = client(cluster.clientOptions());
      await createTopic(kafka, 'guarded');
      await produce(kafka, 'guarded', 'one');
      expect(await consume(kafka, 'guarded', 1)).toEqual(['one']);
      const { sasl, ...rest } = cluster.clientOptions();
      const liar = client({ ...rest, sasl: { ...(sasl as KafkaLogin), password: 'wrong' } });
      await expect(produce(liar, 'guarded', 'two')).rejects.toThrow(/[Aa]uthentication failed/);
      const stranger = client(cluster.clientOptions('stranger'));
      await expect(produce(stranger, 'guarded', 'two')).rejects.toThrow('Not authorized to access topics');
    });
  },
);

describe('startKafka', () => {
  it('speaks TLS alone to clients who know its authority', async () => {
    await using cluster = await startKafka({ security: { tls: true } });
    const options = cluster.clientOptions();
    await createTopic(client(options), 'secret');
    await produce(client(options), 'secret', 'one');
    await expect(produce(client({ brokers: options.brokers, ssl: { ca: [] } }), 'secret', 'two')).rejects.toThrow(
      /certificate/,
    );
  });

  it('leads clients through a proxy of the caller’s, and nowhere else', async () => {
    let proxy: FaultProxy | undefined;
    await using cluster = await startKafka({
      proxy: async (port) => {
        proxy = await FaultProxy.open({ host: '127.0.0.1', port });
        return proxy.port;
      },
    });
    expect(cluster.bootstrap).toEqual([`127.0.0.1:${proxy?.port}`]);
    const kafka = client(cluster.clientOptions());
    await createTopic(kafka, 'led');
    proxy?.set({ refuse: true });
    await expect(produce(kafka, 'led', 'one')).rejects.toThrow(/ECONNRESET|[Cc]onnection/);
    proxy?.heal();
    await produce(kafka, 'led', 'two');
    expect(await consume(kafka, 'led', 1)).toEqual(['two']);
    await proxy?.close();
  });

  it('says why a broker with a wrong setting does not start', async () => {
    await expect(startKafka({ settings: { 'num.io.threads': 'many' } })).rejects.toThrow(/num\.io\.threads/);
  });

  it('says what to install if there is no source', async () => {
    await expect(startKafka({ sources: [] })).rejects.toThrow(/Docker.*Java 17 and Maven.*HERMES_TEST_KAFKA_BOOTSTRAP/);
  });
});

describe('sharedKafka', () => {
  it('is one cluster for all who ask', async () => {
    const [one, other] = await Promise.all([sharedKafka(), sharedKafka()]);
    expect(other).toEqual(one);
    const kafka = client({ brokers: [...one.bootstrap] });
    const topic = `shared-${Date.now().toString(36)}`;
    await createTopic(kafka, topic);
    await produce(kafka, topic, 'one');
    expect(await consume(kafka, topic, 1)).toEqual(['one']);
  });

  it('is the one that the environment names', async () => {
    env['HERMES_TEST_KAFKA_BOOTSTRAP'] = 'one:9092,two:9092';
    try {
      expect((await sharedKafka()).bootstrap).toEqual(['one:9092', 'two:9092']);
    } finally {
      delete env['HERMES_TEST_KAFKA_BOOTSTRAP'];
    }
  });
});
