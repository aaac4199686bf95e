import { randomUUID } from 'node:crypto';
import { durationFromMs, type Group, Outcome, StateStore } from '@hermes/contracts';
import { sharedKafka, SHARED_SERVER_DEADLINE_MS } from '@hermes/testing';
import { KafkaBroker } from './kafka-broker.js';

jest.setTimeout(60_000);

describe('a broker whose topic is attached to a Kafka topic that drops records', () => {
  let broker: KafkaBroker;
  beforeAll(async () => {
    broker = await KafkaBroker.start(await sharedKafka());
  }, SHARED_SERVER_DEADLINE_MS);
  afterAll(() => broker[Symbol.asyncDispose]());

  const TEN = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'];

  /** A topic that is attached to a Kafka topic of the same name with some records, and a group at its beginning. */
  async function attached(values: readonly string[], fields: Partial<Group> = {}): Promise<string> {
    const topic = `t-${randomUUID()}`;
    await broker.operate((admin) =>
      admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 1 }] }),
    );
    await produce(topic, values);
    await broker.topic(topic, { kafka: { topic, readOnly: false, stateStore: StateStore.DATA_DIRECTORY } });
    await broker.fixture.group(topic, 'billing', fields);
    return topic;
  }

  async function produce(topic: string, values: readonly string[]): Promise<void> {
    const producer = broker.client().producer();
    await producer.connect();
    await producer.send({ topic, messages: values.map((value) => ({ value })) });
    await producer.disconnect();
  }

  /** What Kafka's retention does, at once. */
  function dropBelow(topic: string, offset: number): Promise<void> {
    return broker.operate(async (admin) => {
      await admin.fetchTopicMetadata({ topics: [topic] });
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    });
  }

  async function lane(topic: string) {
    const { lanes } = await broker.fixture.describeGroup(topic, 'billing');
    return lanes[0];
  }

  it('counts what a group has not read of them as skipped, and delivers the rest', async () => {
    const topic = await attached(TEN);
    await dropBelow(topic, 6);
    const subscriber = await broker.subscribe(topic);
    await subscriber.received(4);
    expect(subscriber.texts).toEqual(['m6', 'm7', 'm8', 'm9']);
    expect(await subscriber.settle(subscriber.deliveries)).toEqual(['OK', 'OK', 'OK', 'OK']);
    expect(await lane(topic)).toMatchObject({ floor: 10, lag: 0, skipped: 6 });
    await produce(topic, ['next']);
    await subscriber.received(5);
    expect(subscriber.texts.at(-1)).toBe('next');
    expect(await lane(topic)).toMatchObject({ skipped: 6 });
    subscriber.cancel();
  });

  it('counts so, too, what was dropped while nobody had the partition; what waits for a retry keeps its copy', async () => {
    const retry = { kind: { $case: 'fixed' as const, value: { delay: durationFromMs(2_000) } }, maxAttempts: 3 };
    const topic = await attached(TEN.slice(0, 2), { retry });
    const before = await broker.subscribe(topic);
    const [m0, m1] = await before.received(2);
    expect(await before.settle([m0!])).toEqual(['OK']);
    expect(await before.settle([m1!], { outcome: Outcome.NACK })).toEqual(['OK']);
    before.cancel();
    await produce(topic, TEN.slice(2));
    await dropBelow(topic, 6);
    await broker.reopen(topic);
    expect(await lane(topic)).toMatchObject({ floor: 6, retrying: 1, skipped: 4 });
    const after = await broker.subscribe(topic);
    await after.received(5);
    expect([...after.texts].sort()).toEqual(['m1', 'm6', 'm7', 'm8', 'm9']);
    expect(await after.settle(after.deliveries)).toEqual(['OK', 'OK', 'OK', 'OK', 'OK']);
    expect(await lane(topic)).toMatchObject({ floor: 10, lag: 0, retrying: 0, skipped: 4 });
    after.cancel();
  });

  it('goes on with what was in flight, acknowledged or given up', async () => {
    const topic = await attached(TEN, { retry: { kind: { $case: 'none', value: {} }, maxAttempts: 0 } });
    const subscriber = await broker.subscribe(topic);
    const [m0, ...others] = await subscriber.received(10);
    await dropBelow(topic, 10);
    // Nothing has the record of a dead letter any more: there is none.
    expect(await subscriber.settle([m0!], { outcome: Outcome.NACK })).toEqual(['OK']);
    expect(await subscriber.settle(others)).toEqual(others.map(() => 'OK'));
    expect(await lane(topic)).toMatchObject({ floor: 10, lag: 0, deadLetters: 0 });
    await produce(topic, ['next']);
    await subscriber.received(11);
    subscriber.cancel();
  });
});
