import { connect } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { Cluster } from './harness/cluster.js';
import { seenAll, settledAll } from './harness/drain.js';
import { Ledger, NO_VIOLATIONS } from './harness/ledger.js';
import { publishLoad, startConsumer } from './harness/load.js';

const LEASE_TTL_MS = 2_000;
const MESSAGES = 200;

describe('a gateway that is stopped for longer than the leases of its consumers, then continued', () => {
  it('keeps its subscribers: they are dealt their partitions anew and miss nothing', async () => {
    await using cluster = await Cluster.start({ brokers: 1, leaseTtlMs: LEASE_TTL_MS });
    await using stalled = await connect({ gateway: cluster.gatewayEndpoint });
    await using direct = await connect({ metaServers: [cluster.metaEndpoint] });
    await direct.admin.createTopic({ name: 'orders', partitions: 4 });
    await direct.admin.createGroup({ topic: 'orders', name: 'billing' });
    const ledger = new Ledger();
    const consumer = startConsumer(stalled, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
    const publish = (name: string): Promise<void> =>
      publishLoad(direct, ledger, { topic: 'orders', name, messages: MESSAGES, keys: 20 });
    await publish('before');
    await seenAll(direct, ledger, 'orders', 'billing');

    cluster.gateway.signal('SIGSTOP');
    const membersGone = async (): Promise<boolean> => {
      const metrics = await (await fetch(`http://127.0.0.1:${cluster.metaOpsPort}/metrics`)).text();
      return /^hermes_meta_server_consumer_lease_streams 0$/m.test(metrics);
    };
    await eventually(membersGone, { deadlineMs: 30_000, intervalMs: 50 });
    await publish('meanwhile');
    cluster.gateway.signal('SIGCONT');

    await publish('after');
    await seenAll(direct, ledger, 'orders', 'billing');
    await settledAll(direct, 'orders', 'billing');
    await consumer.stop();
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
  });
});
