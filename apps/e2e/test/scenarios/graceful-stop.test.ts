import { credentials, Metadata } from '@grpc/grpc-js';
import { connect, GroupMode } from '@hermes/client';
import { MessagingServiceClient, PublishRequest } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';

describe('a process that is stopped by SIGTERM under load', () => {
  it('drains and exits 0, each in turn; every publish is answered, nothing acknowledged is lost', async () => {
    // Longer than a busy machine takes to start the meta-server again: a lease that ends is another test's matter.
    await using cluster = await Cluster.start({ brokers: 2, leaseTtlMs: 60_000 });
    const { metaEndpoint, gatewayEndpoint } = cluster;
    await using direct = await connect({ metaServers: [metaEndpoint], timeoutMs: 60_000 });
    await using viaGateway = await connect({ gateway: gatewayEndpoint, timeoutMs: 60_000 });
    await direct.admin.createTopic({ name: 'orders', partitions: 8 });
    await direct.admin.createGroup({ topic: 'orders', name: 'billing', mode: GroupMode.KEY_ORDERED });
    const ledger = new Ledger();
    const consumers = [
      startConsumer(direct, ledger, { topic: 'orders', group: 'billing', name: 'c-1' }),
      startConsumer(viaGateway, ledger, { topic: 'orders', group: 'billing', name: 'c-2' }),
    ];
    const enough = new AbortController();
    const load = Promise.all(
      [direct, viaGateway].map((hermes, nth) =>
        publishLoad(hermes, ledger, {
          ...{ topic: 'orders', name: `load-${nth}`, messages: 1_000_000, keys: 20, restMs: 10 },
          signal: enough.signal,
        }),
      ),
    );
    for (const process of cluster.processes) {
      const before = ledger.acknowledged;
      await eventually(() => ledger.acknowledged > before + 500, { deadlineMs: 60_000 });
      expect({ process: process.title, ...(await process.end('SIGTERM')) }).toEqual({
        process: process.title,
        code: 0,
        signal: null,
      });
      await process.startReady();
    }
    const after = ledger.acknowledged;
    await eventually(() => ledger.acknowledged > after + 500, { deadlineMs: 60_000 });
    enough.abort();
    await load;
    await seenAll(direct, ledger, 'orders', 'billing');
    await settledAll(direct, 'orders', 'billing');
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
    // Whoever stops in order answers what it has taken in.
    expect([ledger.count('unknown'), ledger.count('refused')]).toEqual([0, 0]);
  });

  it('exits at once at the second SIGTERM, whatever still runs', async () => {
    await using cluster = await Cluster.start({ brokers: 1 });
    const grpc = new MessagingServiceClient(cluster.gatewayEndpoint, credentials.createInsecure());
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'orders', partitions: 1 });
    // A call whose owner is silent keeps the gateway draining until its deadline.
    cluster.brokers[0]!.process.signal('SIGSTOP');
    const request = PublishRequest.fromPartial({ topic: 'orders', messages: [{ body: Buffer.from('x') }] });
    const failed = new Promise((resolve) => {
      grpc.publish(request, new Metadata(), { deadline: Date.now() + 60_000 }, resolve);
    });
    const { gateway } = cluster;
    await eventually(async () => {
      const { text } = await gateway.ops('/metrics');
      expect(text).not.toMatch(/^hermes_gateway_publish_queue_bytes 0$/m);
    });
    gateway.signal('SIGTERM');
    await eventually(() => {
      expect(gateway.output).toContain('draining');
    });
    gateway.signal('SIGTERM');
    expect(await gateway.ended()).toEqual({ code: 130, signal: null });
    expect(await failed).toBeInstanceOf(Error);
    grpc.close();
  });
});
