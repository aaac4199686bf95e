import { setTimeout as sleep } from 'node:timers/promises';

import { credentials, Metadata } from '@grpc/grpc-js';
import { connect } from '@hermes/client';
import {
  fromServiceError,
  type HermesError,
  LIMITS,
  Message,
  RawMessagingClient,
  statusToError,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Cluster } from './harness/cluster.js';
import { seenAll, settledAll } from './harness/drain.js';
import { Ledger, NO_VIOLATIONS } from './harness/ledger.js';
import { publishLoad, startConsumer } from './harness/load.js';
import { placed } from './harness/placed.js';

const LEASE_TTL_MS = 2_000;

const message = Message.encode(Message.fromPartial({ body: Buffer.from('to a stalled owner') })).finish();

/** One publish; the error of call or entry, or undefined if it was stored. */
function publish(endpoint: string, deadlineMs: number): Promise<HermesError | undefined> {
  const client = new RawMessagingClient(endpoint, credentials.createInsecure());
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + deadlineMs };
    client.publish(
      { topic: 'orders', messages: [message], partition: 0 },
      new Metadata(),
      options,
      (error, response) => {
        client.close();
        const outcome = error === null ? response.results[0]?.outcome : undefined;
        resolve(
          error !== null
            ? fromServiceError(error)
            : outcome?.$case === 'error'
              ? statusToError(outcome.value)
              : undefined,
        );
      },
    );
  });
}

describe('a broker that is stopped for longer than its lease, then continued', () => {
  it('answers nothing from the expired lease, gets a new epoch, and nothing is lost or out of order', async () => {
    await using cluster = await Cluster.start({ brokers: 1, leaseTtlMs: LEASE_TTL_MS });
    const broker = cluster.brokers[0]!;
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    const ledger = new Ledger();
    await hermes.admin.createTopic({ name: 'orders', partitions: 4 });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    const before = await placed(hermes, 'orders');
    const consumer = startConsumer(hermes, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
    const stopped = new AbortController();
    const load = publishLoad(hermes, ledger, {
      topic: 'orders',
      name: 'load',
      messages: 1_000_000,
      keys: 20,
      restMs: 10,
      signal: stopped.signal,
    });
    await eventually(() => ledger.acknowledged > 500, { deadlineMs: 20_000 });

    broker.process.signal('SIGSTOP');
    const direct = publish(broker.endpoint, 60_000);
    await eventually(
      async () => {
        const partitions = await placed(hermes, 'orders');
        return partitions.every(({ broker: owner }) => owner === '');
      },
      { deadlineMs: 30_000, intervalMs: 50 },
    );
    const meanwhile = await publish(cluster.gatewayEndpoint, 3_000);
    expect(meanwhile).toBeDefined();
    expect([meanwhile!.retryable, meanwhile!.message.length > 0]).toEqual([true, true]);

    broker.process.signal('SIGCONT');
    // What waited in the stalled broker's socket is refused, or stored under the new lease; never under the old one.
    const late = await direct;
    expect(late === undefined || late.retryable).toBe(true);
    await eventually(
      async () => {
        const partitions = await placed(hermes, 'orders');
        expect(partitions.map(({ broker: owner }) => owner)).toEqual(before.map(() => broker.name));
        partitions.forEach(({ epoch }, i) => {
          expect(epoch).toBeGreaterThan(before[i]!.epoch);
        });
      },
      { deadlineMs: 30_000, intervalMs: 50 },
    );
    const so = ledger.acknowledged;
    await eventually(() => ledger.acknowledged > so + 500, { deadlineMs: 30_000 });
    stopped.abort();
    await load;
    await seenAll(hermes, ledger, 'orders', 'billing');
    await consumer.stop();
    expect({ ...ledger.violations('billing'), unpublished: [] }).toEqual(NO_VIOLATIONS);
  });
});

describe('a broker that is silent while it holds its lease', () => {
  it('holds up no acknowledgement of another owner, though a gateway is between', async () => {
    await using cluster = await Cluster.start({ leaseTtlMs: 60_000 });
    const silent = cluster.brokers[0]!;
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'orders', partitions: 8 });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    const partitions = await placed(hermes, 'orders');
    const stalled = new Set(partitions.flatMap(({ broker, partition }) => (broker === silent.name ? [partition] : [])));
    const ledger = new Ledger();
    let lastAtMs = performance.now();
    let longestMs = 0;
    let others = 0;
    const consumer = startConsumer(hermes, ledger, {
      ...{ topic: 'orders', group: 'billing', name: 'c-1' },
      handle: async (delivery) => {
        await delivery.ack();
        if (!stalled.has(delivery.partition)) {
          others += 1;
          longestMs = Math.max(longestMs, performance.now() - lastAtMs);
          lastAtMs = performance.now();
        }
      },
    });
    const stopped = new AbortController();
    const { signal } = stopped;
    const load = { topic: 'orders', name: 'load', messages: 1_000_000, keys: 40, restMs: 10, signal };
    const published = publishLoad(hermes, ledger, load);
    await eventually(() => others > 500, { deadlineMs: 20_000 });

    silent.process.signal('SIGSTOP');
    await sleep(LIMITS.clientDeadlineMs * 1.2);
    // A request in which the silent one has a part waits for a second; without an end to that, until the deadline.
    longestMs = Math.max(longestMs, performance.now() - lastAtMs);
    expect(longestMs).toBeLessThan(LIMITS.clientDeadlineMs / 2);

    silent.process.signal('SIGCONT');
    stopped.abort();
    await published;
    await seenAll(hermes, ledger, 'orders', 'billing');
    await settledAll(hermes, 'orders', 'billing');
    await consumer.stop();
    expect({ ...ledger.violations('billing'), unpublished: [] }).toEqual(NO_VIOLATIONS);
  });
});
