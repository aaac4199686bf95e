import { credentials, Metadata } from '@grpc/grpc-js';
import { connect } from '@hermes/client';
import { fromServiceError, type HermesError, Message, RawMessagingClient, statusToError } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Cluster } from './harness/cluster.js';
import { seenAll } from './harness/drain.js';
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
