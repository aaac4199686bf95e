import { eventually, type KafkaBroker, type KafkaCluster, startKafka } from '@hermes/testing';

import { KafkaStore, RECOVERY, tail } from './kafka-store.js';

jest.setTimeout(240_000);

describe('a store on three brokers', () => {
  let cluster: KafkaCluster;
  let store: KafkaStore;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3 });
    store = await KafkaStore.open(cluster, {
      topics: { replicationFactor: 3, config: { 'min.insync.replicas': '2' } },
    });
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    await cluster.close();
  });

  it.each([
    ['is killed', (broker: KafkaBroker) => broker.kill(), (broker: KafkaBroker) => broker.start()],
    [
      'stands still until another leads',
      (broker: KafkaBroker) => broker.pause(),
      (broker: KafkaBroker) => broker.resume(),
    ],
  ])('goes on with the next leader when the one %s, and loses and repeats nothing', async (name, lose, regain) => {
    const topicId = name.length;
    const partition = await store.partition(topicId);
    const reader = tail(partition);
    const writing = store.write([partition]);
    await store.goesOn(writing);
    const leader = await store.leader(topicId);
    const others = cluster.brokers.filter((broker) => broker !== leader);
    await lose(leader);
    await eventually(async () => (await store.leader(topicId, others)) !== leader, RECOVERY);
    // While the old one is away.
    await store.goesOn(writing);
    const { length } = reader.texts;
    await eventually(() => reader.texts.length > length, RECOVERY);
    await regain(leader);
    await store.goesOn(writing);
    await writing.stop();
    await store.expectExactly(topicId);
    const stored = await store.texts(topicId);
    await eventually(() => {
      expect(reader.texts).toEqual(stored);
    }, RECOVERY);
    await reader.stop();
    await partition.close();
  });

  it('takes nothing while too few replicas are in sync, says so, loses nothing, and goes on by itself', async () => {
    const topicId = 30;
    const partition = await store.partition(topicId);
    await store.append(partition, 'before');
    const leader = await store.leader(topicId);
    const others = cluster.brokers.filter((broker) => broker !== leader);
    await Promise.all(others.map((broker) => broker.kill()));
    const meanwhile = ['one', 'two', 'three'].map((text) => store.append(partition, text));
    await eventually(async () => {
      const outcome = await store.append(partition, 'later');
      expect(outcome).toMatchObject({ kind: 'refused', error: { kind: 'unavailable' } });
    }, RECOVERY);
    await Promise.all(others.map((broker) => broker.start()));
    await Promise.all(meanwhile);
    await eventually(async () => (await store.append(partition, 'after'))?.kind === 'appended', RECOVERY);
    await store.expectExactly(topicId);
    await partition.close();
  });
});
