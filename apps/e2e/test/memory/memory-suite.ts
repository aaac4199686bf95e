import { credentials, Metadata } from '@grpc/grpc-js';
import { bytesCodec, connect, type Hermes } from '@hermes/client';
import { durationFromMs, MessagingServiceClient, SubscribeRequest, type SubscribeResponse } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';
import { watchMemory } from '../harness/memory.js';

const BODY_BYTES = 16 * 1024;
/** 400 MiB in all: many times what any process may hold on to. */
const MESSAGES = 25_600;
const CACHE_BYTES = 32 * 1024 * 1024;
/**
 * Caches (32 MiB), the stalled subscriber's credit twice over, and what a garbage collector leaves lying: far below the
 * 400 MiB that an unbounded buffer would take.
 */
const GROWTH_MAX_MIB = 260;

/** How long the slow one takes for a message. */
const SLOW_MS = 10;

/** Of a topic: where it is stored. */
export type TopicFields = Partial<Parameters<Hermes['admin']['createTopic']>[0]>;

/** A subscriber whose socket is never read. */
function subscribeAndNeverRead(endpoint: string, group: string): { close(): void } {
  const client = new MessagingServiceClient(endpoint, credentials.createInsecure());
  const request = SubscribeRequest.fromPartial({
    topic: 'orders',
    group,
    consumer: 'sleeper',
    maxInFlightMessages: 10_000,
  });
  const call = client.subscribe(request, new Metadata());
  call.on('error', () => undefined);
  call.pause();
  return {
    close: () => {
      call.cancel();
      client.close();
    },
  };
}

/** A subscriber that reads and never settles. */
function subscribeAndNeverAcknowledge(endpoint: string, group: string): { received(): number; close(): void } {
  const client = new MessagingServiceClient(endpoint, credentials.createInsecure());
  const request = SubscribeRequest.fromPartial({
    topic: 'orders',
    group,
    consumer: 'hoarder',
    maxInFlightMessages: 500,
  });
  const call = client.subscribe(request, new Metadata());
  let received = 0;
  call.on('error', () => undefined);
  call.on('data', ({ frame }: SubscribeResponse) => {
    received += frame?.$case === 'batch' ? frame.value.deliveries.length : 0;
  });
  return {
    received: () => received,
    close: () => {
      call.cancel();
      client.close();
    },
  };
}

async function publishAll(hermes: Hermes): Promise<void> {
  const producer = hermes.producer('orders', { codec: bytesCodec });
  const body = Buffer.alloc(BODY_BYTES, 'x');
  let left = MESSAGES;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await producer.publish(body);
    }
  };
  await Promise.all(Array.from({ length: 200 }, one));
}

async function consumeSlowly(hermes: Hermes, signal: AbortSignal): Promise<void> {
  const consumer = hermes.consumer('orders', 'strollers', { codec: bytesCodec, concurrency: 1 });
  signal.addEventListener('abort', () => void consumer.drain({ deadlineMs: 5_000 }));
  await consumer.run(() => new Promise((resolve) => setTimeout(resolve, SLOW_MS)));
}

/** What does not keep up, in a cluster with groups for it; gives what ends it, and checks what it was given. */
type Laggards = (cluster: Cluster, hermes: Hermes) => () => Promise<void>;

function stalled(cluster: Cluster): () => Promise<void> {
  const sleeper = subscribeAndNeverRead(cluster.gatewayEndpoint, 'sleepers');
  const directSleeper = subscribeAndNeverRead(cluster.brokers[0]!.endpoint, 'sleepers');
  const hoarder = subscribeAndNeverAcknowledge(cluster.gatewayEndpoint, 'hoarders');
  return () => {
    expect(hoarder.received()).toBe(500);
    sleeper.close();
    directSleeper.close();
    hoarder.close();
    return Promise.resolve();
  };
}

function slow(_cluster: Cluster, hermes: Hermes): () => Promise<void> {
  const over = new AbortController();
  const stroller = consumeSlowly(hermes, over.signal);
  return () => {
    over.abort();
    return stroller;
  };
}

/**
 * Subscribers that do not keep up with a topic, and what the processes hold on to meanwhile. `prepare` readies the
 * cluster, and says of the topic where it is stored.
 */
export function describeMemory(storage: string, prepare: (hermes: Hermes) => Promise<TopicFields>): void {
  describe(`subscribers that do not keep up with a topic on ${storage}`, () => {
    it.each<[string, Laggards]>([
      ['one never reads, one never acknowledges', stalled],
      ['one is slow', slow],
    ])('grow no process and slow nobody: %s, one works', async (what, lag) => {
      await using cluster = await Cluster.start({ brokers: 1, brokerFlags: ['--cache-bytes', String(CACHE_BYTES)] });
      await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
      await hermes.admin.createTopic({ name: 'orders', partitions: 4, ...(await prepare(hermes)) });
      for (const name of ['sleepers', 'hoarders', 'strollers', 'workers']) {
        await hermes.admin.createGroup({ topic: 'orders', name, ackDeadline: durationFromMs(3_600_000) });
      }
      const end = lag(cluster, hermes);
      let worked = 0;
      const worker = hermes.consumer('orders', 'workers', { codec: bytesCodec, concurrency: 100 });
      const running = worker.run(() => {
        worked += 1;
      });
      const memory = watchMemory({
        'meta-server': cluster.meta.pid,
        broker: cluster.brokers[0]!.process.pid,
        gateway: cluster.gateway.pid,
      });
      await publishAll(hermes);
      await eventually(() => worked >= MESSAGES, { deadlineMs: 120_000, intervalMs: 50 });
      const growth = memory.stop();
      const rounded = Object.entries(growth).map(([name, mib]) => `${name} ${Math.round(mib)} MiB`);
      process.stdout.write(`400 MiB published to ${storage}, ${what}; growth: ${rounded.join(', ')}\n`);
      for (const mib of Object.values(growth)) {
        expect(mib).toBeLessThan(GROWTH_MAX_MIB);
      }
      const ended = end();
      await worker.drain({ deadlineMs: 5_000 });
      await Promise.all([running, ended]);
    });
  });
}
