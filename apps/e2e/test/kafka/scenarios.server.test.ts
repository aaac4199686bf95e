import {
  connect,
  Durability,
  GroupMode,
  type Hermes,
  HermesError,
  PositionEdge,
  StorageClass,
  stringCodec,
} from '@hermes/client';
import { eventually, type KafkaCluster, startKafka } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';

jest.setTimeout(120_000);

const PATIENCE = { deadlineMs: 30_000 };
const MESSAGES = 100;

const edge = (value: PositionEdge) => ({ kind: { $case: 'edge' as const, value } });

/** What consumers of one group were given, whichever of them. */
class Readers {
  readonly bodies: string[] = [];
  readonly #stops: (() => Promise<void>)[] = [];

  constructor(hermes: Hermes, topic: string, group: string, count = 1) {
    for (let reader = 0; reader < count; reader += 1) {
      const consumer = hermes.consumer(topic, group, { codec: stringCodec, name: `${group}-${reader}` });
      const running = consumer.run(({ body }) => {
        this.bodies.push(body);
      });
      this.#stops.push(async () => {
        await consumer.drain();
        await running;
      });
    }
  }

  /** Waits for all of these, and gives what came besides, or twice. */
  async beyond(expected: readonly string[]): Promise<string[]> {
    await eventually(() => expected.every((body) => this.bodies.includes(body)), PATIENCE);
    const rest = [...this.bodies];
    expected.forEach((body) => rest.splice(rest.indexOf(body), 1));
    return rest;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()));
  }
}

describe('topics on Kafka', () => {
  let kafka: KafkaCluster;
  let cluster: Cluster;
  let hermes: Hermes;
  beforeAll(async () => {
    kafka = await startKafka();
    cluster = await Cluster.start({ brokers: 1 });
    hermes = await connect({ gateway: cluster.gatewayEndpoint });
    const endpoints = [...kafka.bootstrap];
    await hermes.admin.createDataSource({ name: 'k', storageClass: StorageClass.KAFKA, endpoints });
  }, 300_000);
  afterAll(async () => {
    await hermes.close();
    await cluster[Symbol.asyncDispose]();
    await kafka.close();
  });

  let topics = 0;
  const topic = async (partitions = 2, groups: readonly string[] = ['g0']): Promise<string> => {
    topics += 1;
    const name = `kafka-${topics}`;
    const storage = { storageClass: StorageClass.KAFKA, requiredDurability: Durability.BUFFERED };
    await hermes.admin.createTopic({ name, partitions, ...storage });
    for (const group of groups) {
      const start = edge(PositionEdge.EARLIEST);
      await hermes.admin.createGroup({ topic: name, name: group, mode: GroupMode.KEY_ORDERED, start });
    }
    return name;
  };
  const publish = async (name: string, prefix: string): Promise<string[]> => {
    const producer = hermes.producer<string>(name, { codec: stringCodec });
    const bodies = Array.from({ length: MESSAGES }, (_, nth) => `${prefix}-${nth}`);
    await Promise.all(bodies.map((body) => producer.publish(body, { key: body })));
    return bodies;
  };

  it.each([
    { producers: 1, groups: 1, consumers: 1 },
    { producers: 1, groups: 1, consumers: 2 },
    { producers: 2, groups: 1, consumers: 1 },
    { producers: 1, groups: 2, consumers: 1 },
    { producers: 2, groups: 2, consumers: 2 },
  ])('in one process: $producers producers, $groups groups of $consumers consumers', async (shape) => {
    const groups = Array.from({ length: shape.groups }, (_, nth) => `g${nth}`);
    const name = await topic(2, groups);
    const readers = groups.map((group) => new Readers(hermes, name, group, shape.consumers));
    const prefixes = Array.from({ length: shape.producers }, (_, nth) => `p${nth}`);
    const published = (await Promise.all(prefixes.map((prefix) => publish(name, prefix)))).flat();
    for (const reader of readers) {
      expect(await reader.beyond(published)).toEqual([]);
      await reader.stop();
    }
  });

  it('resets a group to the earliest message, and to the latest', async () => {
    const name = await topic();
    const published = await publish(name, 'a');
    const readers = new Readers(hermes, name, 'g0');
    expect(await readers.beyond(published)).toEqual([]);
    await hermes.admin.seek(name, 'g0', 'earliest');
    await eventually(() => readers.bodies.length >= 2 * MESSAGES, PATIENCE);
    expect((await readers.beyond([...published, ...published])).length).toBe(0);
    await readers.stop();
    await publish(name, 'passed over');
    await hermes.admin.seek(name, 'g0', 'latest');
    const later = new Readers(hermes, name, 'g0');
    expect(await later.beyond(await publish(name, 'b'))).toEqual([]);
    await later.stop();
  });

  it('gets more partitions while it is in use', async () => {
    const name = await topic(1);
    const readers = new Readers(hermes, name, 'g0');
    const before = await publish(name, 'before');
    await hermes.admin.updateTopic({ name, partitions: 4 }, ['partitions']);
    const published = [...before];
    // Whoever publishes learns of them a moment later.
    await eventually(async () => {
      published.push(...(await publish(name, `after-${published.length}`)));
      const { lanes } = await hermes.admin.describeTopic(name);
      expect(lanes.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
      expect(lanes.every(({ firstOffset, nextOffset }) => nextOffset > firstOffset + 1)).toBe(true);
    }, PATIENCE);
    expect(await readers.beyond(published)).toEqual([]);
    await readers.stop();
  });

  it('tells where each message is: topic, partition, lane and offset', async () => {
    const name = await topic();
    const { id, durability } = await hermes
      .producer<string>(name, { codec: stringCodec })
      .publish('here', { key: 'k' });
    expect(id).toMatch(new RegExp(`^${name}/[01]/0/\\d+$`));
    expect(durability).toBe(Durability.BUFFERED);
    const stored = await hermes.admin.getMessage(id!);
    expect([stored.messageId, Buffer.from(stored.message?.body ?? []).toString()]).toEqual([id, 'here']);
  });

  it('answers with an error while its Kafka is gone, and goes on when it is back', async () => {
    const name = await topic();
    const producer = hermes.producer<string>(name, { codec: stringCodec });
    const readers = new Readers(hermes, name, 'g0');
    await producer.publish('before', { key: 'k' });
    await kafka.brokers[0]!.kill();
    const signal = AbortSignal.timeout(3_000);
    await expect(producer.publish('meanwhile', { key: 'k', signal })).rejects.toThrow(HermesError);
    await kafka.brokers[0]!.start();
    const again = hermes.producer<string>(name, { codec: stringCodec });
    await eventually(async () => again.publish('after', { key: 'k' }), { deadlineMs: 60_000 });
    await eventually(() => readers.bodies.includes('after'), PATIENCE);
    expect(readers.bodies.filter((body) => body === 'before')).toHaveLength(1);
    await readers.stop();
  });
});
