import { statusToError } from '@hermes/contracts';
import { eventually, type KafkaCluster, startKafka } from '@hermes/testing';
import { ConfigResourceTypes } from 'kafkajs';
import { message } from '../broker-fixture.js';
import { KafkaBroker } from './kafka-broker.js';

/** What callers are told while Kafka cannot be reached or takes no writes: try again, or ask what came of it. */
const UNREACHABLE = ['STORAGE_UNAVAILABLE', 'OUTCOME_UNKNOWN', 'PARTITION_MOVING', 'BACKPRESSURE', 'DEADLINE_EXCEEDED'];

const RECOVERY = { deadlineMs: 60_000, intervalMs: 50 };

/** Lines at warn and above while Kafka is away, whatever the number of lanes. */
const LINES_MAX = 10;

jest.setTimeout(240_000);

describe('a broker on Kafka', () => {
  let cluster: KafkaCluster;
  let broker: KafkaBroker;
  beforeAll(async () => {
    cluster = await startKafka();
    broker = await KafkaBroker.start(cluster);
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
    await cluster.close();
  });

  const figure = (name: string): Promise<number> => broker.fixture.metric(`hermes_broker_kafka_${name}`);

  /** A topic that has taken a message. */
  async function usedTopic(name: string, partitions = 1): Promise<string> {
    await broker.topic(name, { partitions });
    expect(await broker.publish(name, 'before')).toBe('stored');
    return name;
  }

  it('goes on by itself after its Kafka broker was killed and started again, and so do its consumers', async () => {
    const topic = await usedTopic('killed');
    const subscriber = await broker.subscribe(topic);
    await subscriber.received(1);
    expect(await figure('lanes_failing')).toBe(0);
    const connections = await figure('connections');
    await cluster.brokers[0]!.kill();
    expect(UNREACHABLE).toContain(await broker.publish(topic, 'meanwhile'));
    await eventually(async () => (await figure('lanes_failing')) === (await figure('lanes_followed')), RECOVERY);
    await cluster.brokers[0]!.start();
    await broker.publishUntil(topic, 'stored');
    await eventually(async () => (await figure('lanes_failing')) === 0, RECOVERY);
    expect(await figure('lanes_followed')).toBeGreaterThan(0);
    expect(await figure('connections')).toBeGreaterThan(connections);
    expect([await figure('appends_waiting'), await figure('appends_in_doubt')]).toEqual([0, 0]);
    await eventually(() => {
      expect(subscriber.texts.some((text) => text.startsWith('stored'))).toBe(true);
    }, RECOVERY);
    expect(subscriber.error).toBeUndefined();
    subscriber.cancel();
    await broker.consumeAll(topic);
  });

  it('answers within the caller’s deadline while Kafka stands still, and goes on after it', async () => {
    const topic = await usedTopic('paused');
    await cluster.brokers[0]!.pause();
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => broker.publish(topic, text)));
    expect(answers.filter((answer) => !UNREACHABLE.includes(answer))).toEqual([]);
    await cluster.brokers[0]!.resume();
    await broker.publishUntil(topic, 'stored');
    await broker.consumeAll(topic);
  });

  it('says that data is lost where a Kafka topic was deleted, makes none anew, and serves the other topics', async () => {
    const [gone, other] = [await usedTopic('gone'), await usedTopic('other')];
    await broker.operate((admin) => admin.deleteTopics({ topics: [broker.kafkaTopic(gone)] }));
    await eventually(async () => {
      expect(await broker.publish(gone, 'nowhere')).toBe('RECORD_CORRUPT');
    }, RECOVERY);
    expect(await broker.publish(other, 'elsewhere')).toBe('stored');
    expect(await broker.fixture.metric('hermes_broker_partitions_quarantined')).toBe(1);
    expect(broker.fixture.failures.filter((line) => line.includes('a partition is quarantined'))).toHaveLength(1);
    expect(await broker.operate((admin) => admin.listTopics())).not.toContain(broker.kafkaTopic(gone));
  });

  it('one message above a limit that was lowered fails alone, the first one, too; its neighbours are stored', async () => {
    const topic = await usedTopic('lowered');
    await broker.operate((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            ...{ type: ConfigResourceTypes.TOPIC, name: broker.kafkaTopic(topic) },
            configEntries: [{ name: 'max.message.bytes', value: '100000' }],
          },
        ],
      }),
    );
    const big = 'x'.repeat(200_000);
    const messages = ['a', big, 'b'.repeat(60_000), 'c'.repeat(60_000)].map((text) => message(text));
    const alone = broker.publish(topic, 'd');
    const { results } = await broker.fixture.publish({ topic, partition: 0, messages });
    const codes = results.map(({ outcome }) => outcome?.$case === 'error' && statusToError(outcome.value).code);
    expect(codes).toEqual([false, 'MESSAGE_TOO_LARGE', false, false]);
    expect([await alone, await broker.publish(topic, big)]).toEqual(['stored', 'MESSAGE_TOO_LARGE']);
    expect(await figure('oversized_appends')).toBeGreaterThan(0);
    const subscriber = await broker.subscribe(topic);
    await subscriber.received(5);
    expect(subscriber.texts.map((text) => text[0]).filter((first) => first !== 'd')).toEqual(['b', 'a', 'b', 'c']);
    subscriber.cancel();
  });

  it('says in its health that Kafka is away, says little in its log, and keeps its leases, with 50 partitions', async () => {
    const topic = 'wide';
    await broker.topic(topic, { partitions: 50 });
    await Promise.all(Array.from({ length: 50 }, (_, partition) => broker.publish(topic, 'before', {}, partition)));
    await eventually(() => broker.report?.problem === '', RECOVERY);
    const { released } = broker.fixture.meta;
    const before = {
      lines: broker.fixture.warnings.length + broker.fixture.failures.length,
      released: released.length,
    };
    await cluster.brokers[0]!.kill();
    const answers = new Set<string>();
    let isOver = false;
    const publishers = Array.from({ length: 50 }, async (_, partition) => {
      while (!isOver) {
        answers.add(await broker.publish(topic, 'meanwhile', {}, partition));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    await eventually(() => {
      expect(broker.report?.problem).toMatch(/ECONNREFUSED|Connection/);
    }, RECOVERY);
    isOver = true;
    await Promise.all(publishers);
    const lines = [...broker.fixture.warnings, ...broker.fixture.failures].slice(before.lines);
    expect(lines.length).toBeLessThanOrEqual(LINES_MAX);
    expect([...answers].filter((answer) => !UNREACHABLE.includes(answer))).toEqual([]);
    expect(released).toHaveLength(before.released);
    await cluster.brokers[0]!.start();
    await Promise.all(
      Array.from({ length: 50 }, (_, partition) =>
        eventually(async () => {
          expect(await broker.publish(topic, `to ${partition}`, {}, partition)).toBe('stored');
        }, RECOVERY),
      ),
    );
    await eventually(() => broker.report?.problem === '', RECOVERY);
    await broker.consumeAll(topic);
  });
});
