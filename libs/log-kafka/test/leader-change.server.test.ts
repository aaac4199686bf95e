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
    try {
      await eventually(async () => (await store.leader(topicId, others)) !== leader, RECOVERY);
      await store.goesOn(writing);
      const { length } = reader.texts;
      await eventually(() => reader.texts.length > length, RECOVERY);
    } finally {
      await regain(leader);
    }
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

  it('refuses appends while too few replicas are in sync, says so, and goes on by itself', async () => {
    const config = { 'min.insync.replicas': '3' };
    await using strict = await KafkaStore.open(cluster, { topics: { replicationFactor: 3, config } });
    const topicId = 30;
    const partition = await strict.partition(topicId);
    await strict.append(partition, 'before');
    const leader = await strict.leader(topicId);
    const follower = cluster.brokers.find((broker) => broker !== leader)!;
    await follower.kill();
    // What is appended before would wait for it.
    await eventually(async () => (await strict.replicas(topicId, [leader])).inSync === 2, RECOVERY);
    expect(await strict.append(partition, 'meanwhile')).toMatchObject({
      kind: 'refused',
      error: {
        kind: 'unavailable',
        message: expect.stringContaining('fewer in-sync replicas than required') as string,
      },
    });
    await follower.start();
    let count = 0;
    await eventually(async () => {
      expect((await strict.append(partition, `after ${(count += 1)}`))?.kind).toBe('appended');
    }, RECOVERY);
    await strict.expectExactly(topicId);
    await partition.close();
  });

  it('takes nothing while two of three brokers are dead, loses nothing, and goes on by itself', async () => {
    const topicId = 31;
    const partition = await store.partition(topicId);
    await store.append(partition, 'before');
    const leader = await store.leader(topicId);
    const others = cluster.brokers.filter((broker) => broker !== leader);
    await Promise.all(others.map((broker) => broker.kill()));
    const outcome = await partition.lanes[0]!.append(store.batch('meanwhile'));
    // Nobody takes the dead out of those in sync either: it is not known until one is back.
    expect(['inDoubt', 'refused']).toContain(outcome.kind);
    await Promise.all(others.map((broker) => broker.start()));
    const definite = outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
    let count = 0;
    await eventually(async () => {
      expect((await store.append(partition, `after ${(count += 1)}`))?.kind).toBe('appended');
    }, RECOVERY);
    await store.expectExactly(topicId);
    const stored = await store.texts(topicId);
    expect(stored.filter((text) => text === 'meanwhile')).toHaveLength(definite.kind === 'appended' ? 1 : 0);
    await partition.close();
  });
});
