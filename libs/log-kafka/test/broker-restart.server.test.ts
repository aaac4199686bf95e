import { eventually, type KafkaCluster, startKafka } from '@hermes/testing';

import { KafkaStore, RECOVERY, tail } from './kafka-store.js';

jest.setTimeout(180_000);

describe('a store on the only broker of its cluster', () => {
  let cluster: KafkaCluster;
  let store: KafkaStore;
  beforeAll(async () => {
    cluster = await startKafka();
    store = await KafkaStore.open(cluster);
  });
  afterAll(async () => {
    await store[Symbol.asyncDispose]();
    await cluster.close();
  });

  it.each([
    ['killed', 1],
    ['killed again, with three partitions on it', 3],
  ])('loses nothing and stores nothing twice when it is %s under a writer', async (_, count) => {
    const topicId = 10 + count;
    const partitions = [];
    for (let partition = 0; partition < count; partition += 1) {
      partitions.push(await store.partition(topicId, partition, count));
    }
    const reader = tail(partitions[0]!);
    const writing = store.write(partitions);
    await store.goesOn(writing);
    await cluster.brokers[0]!.kill();
    await cluster.brokers[0]!.start();
    await store.goesOn(writing);
    await writing.stop();
    const texts = (await Promise.all(partitions.map((_each, index) => store.texts(topicId, index)))).flat();
    expect(texts).toHaveLength(new Set(texts).size);
    expect(texts).toEqual(expect.arrayContaining(store.acknowledged.get(topicId)!));
    const stored = await store.texts(topicId);
    await eventually(() => {
      expect(reader.texts).toEqual(stored);
    }, RECOVERY);
    await reader.stop();
    await Promise.all(partitions.map((partition) => partition.close()));
  });

  it('answers no append with success while it is down', async () => {
    const partition = await store.partition(20);
    await cluster.brokers[0]!.kill();
    const outcome = await partition.lanes[0]!.append(store.batch('meanwhile'));
    expect(['refused', 'inDoubt']).toContain(outcome.kind);
    await eventually(() => store.engine.problem !== undefined, RECOVERY);
    await cluster.brokers[0]!.start();
    if (outcome.kind === 'inDoubt') {
      await outcome.resolution;
    }
    expect((await store.append(partition, 'after'))?.kind).toBe('appended');
    await eventually(() => store.engine.problem === undefined, RECOVERY);
    await partition.close();
  });
});
