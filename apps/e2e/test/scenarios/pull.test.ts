import { credentials, Metadata } from '@grpc/grpc-js';
import { connect, GroupMode, type Hermes, stringCodec } from '@hermes/client';
import {
  type Delivery,
  durationFromMs,
  fromServiceError,
  MessagingServiceClient,
  Outcome,
  type PullRequest,
  statusToError,
} from '@hermes/contracts';

import { Cluster } from '../harness/cluster.js';

const WAIT = durationFromMs(10_000);
const GROUP = 'billing';
const textOf = ({ message }: Delivery) => Buffer.from(message?.body ?? []).toString();

describe('pulling through a gateway, from two brokers', () => {
  let cluster: Cluster;
  let hermes: Hermes;
  let client: MessagingServiceClient;
  let topics = 0;

  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 2 });
    hermes = await connect({ gateway: cluster.gatewayEndpoint });
    client = new MessagingServiceClient(cluster.gatewayEndpoint, credentials.createInsecure());
  });
  afterAll(async () => {
    client.close();
    await hermes.close();
    await cluster[Symbol.asyncDispose]();
  });

  const topicOf = async (mode: GroupMode): Promise<string> => {
    topics += 1;
    const topic = `pulled-${topics}`;
    await hermes.admin.createTopic({ name: topic, partitions: 4 });
    await hermes.admin.createGroup({ topic, name: GROUP, mode });
    return topic;
  };
  const publish = (topic: string, texts: readonly string[]) => {
    const producer = hermes.producer<string>(topic, { codec: stringCodec });
    return Promise.all(texts.map((text) => producer.publish(text, { key: text.slice(0, 8) })));
  };
  const pull = (topic: string, request: Partial<PullRequest> = {}): Promise<Delivery[]> =>
    new Promise((resolve, reject) => {
      const full = { topic, group: GROUP, consumer: 'c1', claims: [], ...request };
      client.pull(full, new Metadata(), { deadline: Date.now() + 20_000 }, (error, response) => {
        if (error === null) {
          resolve(response.deliveries);
        } else {
          reject(fromServiceError(error));
        }
      });
    });
  const settle = (topic: string, deliveries: readonly Delivery[], consumer = 'c1'): Promise<string[]> => {
    if (deliveries.length === 0) {
      return Promise.resolve([]);
    }
    const entries = deliveries.map(({ receipt }) => ({ receipt, outcome: Outcome.ACK, reason: '' }));
    return new Promise((resolve, reject) => {
      client.acknowledge({ topic, group: GROUP, consumer, entries }, (error, response) => {
        if (error === null) {
          resolve(response.results.map((result) => (result.error ? statusToError(result.error).code : 'OK')));
        } else {
          reject(fromServiceError(error));
        }
      });
    });
  };
  const names = (count: number) => Array.from({ length: count }, (_, nth) => `m${nth}`);
  /** Pulls and settles until so many have come. */
  const pullAll = async (topic: string, count: number, request: Partial<PullRequest> = {}): Promise<string[]> => {
    const texts: string[] = [];
    while (texts.length < count) {
      const deliveries = await pull(topic, { wait: WAIT, maxMessages: 10, ...request });
      expect(deliveries.length).toBeGreaterThan(0);
      expect(await settle(topic, deliveries, request.consumer)).toEqual(deliveries.map(() => 'OK'));
      texts.push(...deliveries.map(textOf));
    }
    return texts;
  };

  test('gives nothing while there is nothing, then the first message wherever it is, at once', async () => {
    const topic = await topicOf(GroupMode.KEY_ORDERED);
    expect(await pull(topic)).toEqual([]);
    expect(await pull(topic, { wait: durationFromMs(300), maxMessages: 7 })).toEqual([]);
    for (const name of names(8)) {
      const answer = pull(topic, { wait: WAIT });
      await publish(topic, [name]);
      expect((await answer).map(textOf)).toEqual([name]);
    }
  });

  test('gives all that there is at all owners, each once', async () => {
    const topic = await topicOf(GroupMode.SHARED);
    await publish(topic, names(40));
    const deliveries = await pull(topic, { maxMessages: 1_000 });
    expect(deliveries.map(textOf).sort()).toEqual(names(40).sort());
    expect(await settle(topic, deliveries)).toEqual(Array(40).fill('OK'));
    expect(await pull(topic, { maxMessages: 1_000 })).toEqual([]);
  });

  test('of large messages, an answer stays within a frame, or is one message', async () => {
    const topic = await topicOf(GroupMode.SHARED);
    const large = names(8).map((name) => name.padEnd(400_000, '.'));
    await publish(topic, large);
    const texts: string[] = [];
    while (texts.length < large.length) {
      const deliveries = await pull(topic, { maxMessages: 8, wait: WAIT });
      expect(deliveries.length).toBeLessThan(3);
      expect(await settle(topic, deliveries)).toEqual(deliveries.map(() => 'OK'));
      texts.push(...deliveries.map(textOf));
    }
    expect(texts.sort()).toEqual(large.sort());
  });

  test('of an EXCLUSIVE group takes its partitions by lease, and shares them with another consumer', async () => {
    const topic = await topicOf(GroupMode.EXCLUSIVE);
    await publish(topic, names(20));
    expect((await pullAll(topic, 20)).sort()).toEqual(names(20).sort());
    const partitions = new Set<number>();
    // The second one's lease takes two of the first one's partitions.
    while (partitions.size < 2) {
      await publish(topic, names(8));
      await Promise.all([
        pull(topic, { maxMessages: 20 }).then((deliveries) => settle(topic, deliveries)),
        pull(topic, { maxMessages: 20, consumer: 'c2' }).then((deliveries) => {
          expect(deliveries.every(({ fencingToken }) => fencingToken > 0)).toBe(true);
          deliveries.forEach(({ partition }) => partitions.add(partition));
          return settle(topic, deliveries, 'c2');
        }),
      ]);
    }
  });

  test('of what is not there, or with claims, is refused', async () => {
    const topic = await topicOf(GroupMode.SHARED);
    await expect(pull('nothing')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    await expect(pull(topic, { group: 'nothing' })).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
    await expect(pull(topic, { claims: [{ partition: 0, consumerEpoch: 1 }] })).rejects.toMatchObject({
      code: 'INVALID_FIELD',
      violations: [{ field: 'claims' }],
    });
  });
});
