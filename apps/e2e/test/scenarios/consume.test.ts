import { credentials } from '@grpc/grpc-js';
import { connect, type Consumer, type Delivery, GroupMode, type Hermes, stringCodec } from '@hermes/client';
import { durationFromMs, MessagingServiceClient, SubscribeRequest, type SubscribeResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';
import { settledAll } from '../harness/drain.js';

const DEADLINE = { deadlineMs: 20_000 };

let cluster: Cluster;
let hermes: Hermes;
let topics = 0;

beforeAll(async () => {
  cluster = await Cluster.start({ brokers: 2 });
  hermes = await connect({ gateway: cluster.gatewayEndpoint });
});

afterAll(async () => {
  await hermes.close();
  await cluster[Symbol.asyncDispose]();
});

/** A topic of its own with a group `billing`. */
async function topicWith(
  options: { mode?: GroupMode; partitions?: number; ackDeadlineMs?: number } = {},
): Promise<string> {
  const { mode = GroupMode.SHARED, partitions = 2, ackDeadlineMs = 30_000 } = options;
  topics += 1;
  const topic = `topic-${topics}`;
  await hermes.admin.createTopic({ name: topic, partitions });
  await hermes.admin.createGroup({ topic, name: 'billing', mode, ackDeadline: durationFromMs(ackDeadlineMs) });
  return topic;
}

const publish = async (topic: string, bodies: readonly string[]): Promise<void> => {
  const producer = hermes.producer(topic, { codec: stringCodec });
  await Promise.all(bodies.map((body) => producer.publish(body)));
};

const texts = (count: number, name: string): string[] => Array.from({ length: count }, (_, nth) => `${name}-${nth}`);

const bodiesTo = (count: number): string[] => Array.from({ length: count }, (_, nth) => String(nth)).sort();

/** A consumer and what it was given. */
class Worker {
  readonly seen: Delivery<string>[] = [];
  readonly ended: Promise<void>;
  readonly #consumer: Consumer<string>;

  constructor(
    topic: string,
    name: string,
    handle: (delivery: Delivery<string>) => unknown = () => undefined,
    group = 'billing',
  ) {
    this.#consumer = hermes.consumer(topic, group, { name, codec: stringCodec, concurrency: 100 });
    this.ended = this.#consumer.run((delivery) => {
      this.seen.push(delivery);
      return handle(delivery);
    });
    this.ended.catch(() => undefined);
  }

  get bodies(): string[] {
    return this.seen.map(({ body }) => body).sort();
  }

  saw(bodies: readonly string[]): Promise<void> {
    return eventually(() => {
      expect(this.bodies).toEqual(bodies);
    }, DEADLINE);
  }

  stop(deadlineMs = 5_000): Promise<void> {
    return this.#consumer.drain({ deadlineMs });
  }
}

const forever = (): Promise<never> => new Promise(() => undefined);

describe('consuming', () => {
  it('one message, then many: two groups on one topic each see all, once', async () => {
    const topic = await topicWith();
    await hermes.admin.createGroup({ topic, name: 'audit' });
    const workers = ['billing', 'audit'].map((group) => new Worker(topic, 'c-1', undefined, group));
    await publish(topic, ['first']);
    for (const worker of workers) {
      await worker.saw(['first']);
    }
    await publish(topic, bodiesTo(500));
    for (const [nth, group] of ['billing', 'audit'].entries()) {
      await workers[nth]!.saw([...bodiesTo(500), 'first']);
      await settledAll(hermes, topic, group);
      await workers[nth]!.stop();
    }
  });

  it('a handler that throws: the message comes again as the next attempt', async () => {
    const topic = await topicWith();
    const worker = new Worker(topic, 'c-1', ({ attempt }) => {
      if (attempt === 1) {
        throw new Error('not this time');
      }
    });
    await publish(topic, ['x']);
    await worker.saw(['x', 'x']);
    expect(worker.seen.map(({ attempt }) => attempt)).toEqual([1, 2]);
    await settledAll(hermes, topic, 'billing');
    await worker.stop();
  });

  it('a handler slower than its deadline: the deadline is extended, and the message comes once', async () => {
    const topic = await topicWith({ ackDeadlineMs: 1_000 });
    const startedAt = performance.now();
    const slow = new Worker(topic, 'c-1', () => eventually(() => performance.now() - startedAt > 3_500, DEADLINE));
    await publish(topic, ['x']);
    await slow.saw(['x']);
    await settledAll(hermes, topic, 'billing');
    expect(slow.bodies).toEqual(['x']);
    await slow.stop();
  });

  it.each([
    ['the same', 'c-1'],
    ['another', 'c-2'],
  ])('stops while messages are in flight: what it held goes untried to %s name', async (_, next) => {
    const topic = await topicWith();
    const first = new Worker(topic, 'c-1', forever);
    await publish(topic, bodiesTo(20));
    await first.saw(bodiesTo(20));
    await first.stop(0);
    const second = new Worker(topic, next);
    await second.saw(bodiesTo(20));
    expect(new Set(second.seen.map(({ attempt, redelivered }) => `${attempt} ${redelivered}`))).toEqual(
      new Set(['1 true']),
    );
    await settledAll(hermes, topic, 'billing');
    await second.stop();
  });

  it.each([
    ['the same', 'c-1'],
    ['another', 'c-2'],
  ])('vanishes while messages are in flight, without a word: what it held goes to %s name', async (_, next) => {
    const topic = await topicWith();
    const grpc = new MessagingServiceClient(cluster.gatewayEndpoint, credentials.createInsecure());
    let held = 0;
    const stream = grpc.subscribe(SubscribeRequest.fromPartial({ topic, group: 'billing', consumer: 'c-1' }));
    stream.on('error', () => undefined);
    stream.on('data', ({ frame }: SubscribeResponse) => {
      held += frame?.$case === 'batch' ? frame.value.deliveries.length : 0;
    });
    await publish(topic, bodiesTo(20));
    await eventually(() => held === 20, DEADLINE);
    grpc.close();
    stream.cancel();
    const second = new Worker(topic, next);
    await second.saw(bodiesTo(20));
    await settledAll(hermes, topic, 'billing');
    await second.stop();
  });

  it('two of the same name: the later goes on with what the earlier held, and the earlier ends FENCED', async () => {
    const topic = await topicWith();
    const earlier = new Worker(topic, 'c-1', forever);
    await publish(topic, bodiesTo(10));
    await earlier.saw(bodiesTo(10));
    const later = new Worker(topic, 'c-1');
    await expect(earlier.ended).rejects.toMatchObject({ code: 'FENCED' });
    await later.saw(bodiesTo(10));
    await settledAll(hermes, topic, 'billing');
    await later.stop();
  });

  it('nothing that is published after CreateGroup has answered is skipped, under load', async () => {
    const topic = await topicWith({ partitions: 8 });
    const enough = new AbortController();
    const load = (async (): Promise<void> => {
      for (let nth = 0; !enough.signal.aborted; nth += 1) {
        await publish(topic, texts(20, `load-${nth}`));
      }
    })();
    for (const group of ['g1', 'g2', 'g3']) {
      await hermes.admin.createGroup({ topic, name: group });
      const markers = texts(40, `after-${group}`);
      await publish(topic, markers);
      const worker = new Worker(topic, 'c-1', undefined, group);
      await eventually(() => {
        const seen = new Set(worker.bodies);
        expect(markers.filter((marker) => !seen.has(marker))).toEqual([]);
      }, DEADLINE);
      await worker.stop();
    }
    enough.abort();
    await load;
  });
});

describe('an EXCLUSIVE group whose partitions are handed over with messages in flight', () => {
  it('does nothing twice at the same time, and keeps every partition in order', async () => {
    const topic = await topicWith({ mode: GroupMode.EXCLUSIVE, partitions: 4 });
    const busy = new Map<number, string>();
    const clashes: string[] = [];
    const done = new Set<string>();
    const last = new Map<number, { offset: number; token: number }>();
    const work = (name: string) => async (delivery: Delivery<string>) => {
      const { partition, offset, fencingToken } = delivery;
      if (busy.has(partition)) {
        clashes.push(`${name} handles ${delivery.id} beside ${busy.get(partition) ?? ''}`);
      }
      busy.set(partition, `${name} ${delivery.id}`);
      await new Promise(setImmediate);
      busy.delete(partition);
      const before = last.get(partition);
      if (before !== undefined && (offset < before.offset || fencingToken < before.token)) {
        clashes.push(`${name} handles ${delivery.id} of token ${fencingToken} after ${JSON.stringify(before)}`);
      }
      last.set(partition, { offset, token: fencingToken });
      done.add(delivery.body);
    };
    const bodies = texts(3_000, 'm');
    const load = publish(topic, bodies);
    const first = new Worker(topic, 'c-1', work('c-1'));
    await eventually(() => first.seen.length > 50, DEADLINE);
    const second = new Worker(topic, 'c-2', work('c-2'));
    await eventually(() => second.seen.length > 50, DEADLINE);
    await first.stop();
    await load;
    await eventually(() => done.size === bodies.length, { deadlineMs: 60_000 });
    await settledAll(hermes, topic, 'billing');
    await second.stop();
    expect(clashes).toEqual([]);
  });
});
