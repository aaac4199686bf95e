import { credentials, type ServiceError } from '@grpc/grpc-js';
import { connect, type Hermes, HermesError, Message, stringCodec } from '@hermes/client';
import { fromServiceError, MessagingServiceClient, type PublishResponse, statusToError } from '@hermes/contracts';

import { Cluster } from '../harness/cluster.js';

let cluster: Cluster;
let viaGateway: Hermes;
let direct: Hermes;
let grpc: MessagingServiceClient;

beforeAll(async () => {
  cluster = await Cluster.start({ brokers: 2 });
  viaGateway = await connect({ gateway: cluster.gatewayEndpoint });
  direct = await connect({ metaServers: [cluster.metaEndpoint] });
  grpc = new MessagingServiceClient(cluster.gatewayEndpoint, credentials.createInsecure());
});

afterAll(async () => {
  grpc.close();
  await Promise.all([viaGateway.close(), direct.close()]);
  await cluster[Symbol.asyncDispose]();
});

const texts = (count: number, name: string): string[] => Array.from({ length: count }, (_, nth) => `${name}-${nth}`);

/** Every way to publish; each gives, per body, how often its call ended and with what. */
const WAYS: Record<string, (topic: string) => Promise<string[][]>> = {
  'one alone': (topic) => single(viaGateway, topic, ['one']),
  'one alone, straight to the broker': (topic) => single(direct, topic, ['one-direct']),
  'many at once': (topic) => single(viaGateway, topic, texts(500, 'many')),
  'many at once, straight to the brokers': (topic) => single(direct, topic, texts(500, 'many-direct')),
  'a batch with a callback': (topic) => batch(topic, texts(100, 'batch')),
};

async function single(hermes: Hermes, topic: string, bodies: readonly string[]): Promise<string[][]> {
  return Promise.all(
    bodies.map(async (body): Promise<string[]> => {
      const ends: string[] = [];
      await Promise.resolve()
        .then(() => hermes.producer(topic, { codec: stringCodec }).publish(body))
        .then(
          ({ id = '' }) => ends.push(id),
          (error: unknown) => ends.push(error instanceof HermesError ? error.code : String(error)),
        );
      return ends;
    }),
  );
}

/** One unary call; its callback may be called once only. */
function batch(topic: string, bodies: readonly string[]): Promise<string[][]> {
  const ends = bodies.map((): string[] => []);
  const request = { topic, messages: bodies.map((body) => Message.fromPartial({ body: Buffer.from(body) })) };
  return new Promise((resolve) => {
    grpc.publish(request, (error: ServiceError | null, response: PublishResponse) => {
      ends.forEach((ended, nth) => {
        const outcome = error === null ? response.results[nth]?.outcome : undefined;
        const refusal = outcome?.$case === 'error' ? statusToError(outcome.value).code : undefined;
        const stored = outcome?.$case === 'messageId' ? outcome.value : undefined;
        ended.push(stored ?? refusal ?? (error === null ? 'no result' : fromServiceError(error).code));
      });
      resolve(ends);
    });
  });
}

/** Everything that a topic holds. */
async function stored(topic: string): Promise<{ id: string; body: string; key: string }[]> {
  const all: { id: string; body: string; key: string }[] = [];
  for await (const { messageId, message } of viaGateway.admin.readMessages(topic)) {
    const { body, key } = Message.decode(message);
    all.push({ id: messageId, body: body.toString(), key });
  }
  return all;
}

describe('publishing', () => {
  describe.each([
    ['an unknown topic', 'nobody-made-this', 'TOPIC_NOT_FOUND'],
    ['an empty topic name', '', 'INVALID_FIELD'],
    ['an over-long topic name', 't'.repeat(201), 'INVALID_FIELD'],
  ])('to %s', (_, topic, code) => {
    it.each(Object.entries(WAYS))('%s: each call ends, none twice', async (_way, publish) => {
      const ends = await publish(topic);
      expect(new Set(ends.map((ended) => ended.join()))).toEqual(new Set([code]));
    });
  });

  it.each(Object.entries(WAYS))(
    '%s: each call ends once with its message, which is stored once',
    async (way, publish) => {
      const topic = `stored-${Object.keys(WAYS).indexOf(way)}`;
      await viaGateway.admin.createTopic({ name: topic });
      const ids = (await publish(topic)).map((ended) => ended.join());
      const records = await stored(topic);
      expect(records.map(({ id }) => id).sort()).toEqual([...ids].sort());
      expect(new Set(records.map(({ body }) => body)).size).toBe(records.length);
    },
  );

  it('empty, absent and 255-byte keys are stored as they are; one of 256 bytes is refused', async () => {
    await viaGateway.admin.createTopic({ name: 'keys' });
    for (const hermes of [viaGateway, direct]) {
      const producer = hermes.producer('keys', { codec: stringCodec });
      await producer.publish('absent');
      await producer.publish('empty', { key: '' });
      await producer.publish('long', { key: 'k'.repeat(255) });
      await expect(producer.publish('longer', { key: 'k'.repeat(256) })).rejects.toMatchObject({
        code: 'INVALID_FIELD',
      });
    }
    const keys = (await stored('keys')).map(({ body, key }) => `${body}:${key}`).sort();
    expect(keys).toEqual(['absent:', 'empty:', `long:${'k'.repeat(255)}`].flatMap((each) => [each, each]));
  });

  it('a key has the same partition from every client, before and after a restart; no key spreads evenly', async () => {
    await viaGateway.admin.createTopic({ name: 'spread', partitions: 8 });
    const keys = texts(20, 'customer');
    const partitionsOf = (hermes: Hermes): Promise<string[]> =>
      Promise.all(
        keys.map(async (key) => {
          const { id } = await hermes.producer('spread', { codec: stringCodec }).publish('x', { key });
          return id?.split('/')[1] ?? '';
        }),
      );
    const before = await partitionsOf(viaGateway);
    expect(new Set(before).size).toBeGreaterThan(1);
    expect(await partitionsOf(direct)).toEqual(before);
    await cluster.killAll();
    await cluster.restartAll();
    expect(await partitionsOf(viaGateway)).toEqual(before);
    expect(await partitionsOf(direct)).toEqual(before);

    const counts = new Map<string, number>();
    for (let nth = 0; nth < 80; nth += 1) {
      const { id } = await viaGateway.producer('spread', { codec: stringCodec }).publish('free');
      const partition = id?.split('/')[1] ?? '';
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual(new Array(8).fill(10));
  });
});
