import { connect, GroupMode, type Hermes } from '@hermes/client';
import { durationFromMs } from '@hermes/contracts';
import { eventually, SeededRandom } from '@hermes/testing';

import { Cluster } from './harness/cluster.js';
import { seenAll, settledAll } from './harness/drain.js';
import { Ledger, NO_VIOLATIONS } from './harness/ledger.js';
import { publishLoad, startConsumer } from './harness/load.js';

async function createTopic(hermes: Hermes, groups: Readonly<Record<string, GroupMode>>): Promise<void> {
  await hermes.admin.createTopic({ name: 'orders', partitions: 8 });
  for (const [name, mode] of Object.entries(groups)) {
    const exponential = {
      initial: durationFromMs(50),
      max: durationFromMs(200),
      multiplier: 2,
      jitter: 0,
    };
    await hermes.admin.createGroup({
      topic: 'orders',
      name,
      mode,
      retry: { kind: { $case: 'exponential', value: exponential }, maxAttempts: 100 },
    });
  }
}

describe('end to end', () => {
  it('20,000 messages from two clients through every process, consumed once each by two groups', async () => {
    await using cluster = await Cluster.start({ brokers: 2 });
    const clients = [
      await connect({ gateway: cluster.gatewayEndpoint }),
      await connect({ metaServers: [cluster.metaEndpoint] }),
    ];
    const [viaGateway, direct] = clients as [Hermes, Hermes];
    await createTopic(viaGateway, { billing: GroupMode.KEY_ORDERED, audit: GroupMode.SHARED });
    const ledger = new Ledger();
    const consumers = [
      startConsumer(viaGateway, ledger, { topic: 'orders', group: 'billing', name: 'b-1' }),
      startConsumer(direct, ledger, { topic: 'orders', group: 'billing', name: 'b-2' }),
      startConsumer(direct, ledger, { topic: 'orders', group: 'audit', name: 'a-1' }),
    ];
    await Promise.all(
      clients.map((hermes, i) =>
        publishLoad(hermes, ledger, { topic: 'orders', name: `client-${i}`, messages: 10_000, keys: 100 }),
      ),
    );
    await seenAll(viaGateway, ledger, 'orders', 'billing');
    await seenAll(viaGateway, ledger, 'orders', 'audit');
    await settledAll(viaGateway, 'orders', 'billing');
    await settledAll(viaGateway, 'orders', 'audit');
    expect(ledger.acknowledged).toBe(20_000);
    expect([ledger.repeats('billing'), ledger.repeats('audit')]).toEqual([0, 0]);
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
    // A SHARED group is promised no order.
    expect({ ...ledger.violations('audit'), disorder: [] }).toEqual(NO_VIOLATIONS);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await Promise.all(clients.map((hermes) => hermes.close()));
  });

  it.each([
    ['KEY_ORDERED', GroupMode.KEY_ORDERED],
    ['SHARED', GroupMode.SHARED],
    ['EXCLUSIVE', GroupMode.EXCLUSIVE],
  ])('random nacks by many consumers of a %s group: each comes again, none after its ack', async (_, mode) => {
    await using cluster = await Cluster.start({ brokers: 2 });
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await createTopic(hermes, { billing: mode });
    const ledger = new Ledger();
    const random = new SeededRandom(7);
    const nacked = new Map<string, number>();
    const acknowledged = new Set<string>();
    const deliveredAfterAck: string[] = [];
    const wrongAttempts: string[] = [];
    const consumers = [1, 2, 3].map((n) =>
      startConsumer(hermes, ledger, {
        topic: 'orders',
        group: 'billing',
        name: `c-${n}`,
        concurrency: 50,
        handle: async (delivery) => {
          if (acknowledged.has(delivery.id)) {
            deliveredAfterAck.push(delivery.id);
          }
          if (mode !== GroupMode.EXCLUSIVE && delivery.attempt !== (nacked.get(delivery.id) ?? 0) + 1) {
            wrongAttempts.push(`${delivery.id} attempt ${delivery.attempt}`);
          }
          if (random.next() < 0.05) {
            nacked.set(delivery.id, (nacked.get(delivery.id) ?? 0) + 1);
            throw new Error('not now');
          }
          await delivery.ack();
          acknowledged.add(delivery.id);
        },
      }),
    );
    await publishLoad(hermes, ledger, { topic: 'orders', name: 'load', messages: 2_000, keys: 100 });
    await eventually(() => acknowledged.size >= 2_000, { deadlineMs: 90_000, intervalMs: 100 });
    await settledAll(hermes, 'orders', 'billing');
    expect(nacked.size).toBeGreaterThan(0);
    expect(deliveredAfterAck).toEqual([]);
    expect(wrongAttempts).toEqual([]);
    const violations = ledger.violations('billing');
    expect(mode === GroupMode.SHARED ? { ...violations, disorder: [] } : violations).toEqual(NO_VIOLATIONS);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
  });

  it('sudden death of each process under load: the load goes on, nothing acknowledged is lost', async () => {
    await using cluster = await Cluster.start({ brokers: 2, leaseTtlMs: 3_000 });
    await using hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await createTopic(hermes, { billing: GroupMode.KEY_ORDERED });
    const ledger = new Ledger();
    const consumer = startConsumer(hermes, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
    const enough = new AbortController();
    const load = publishLoad(hermes, ledger, {
      topic: 'orders',
      name: 'load',
      messages: 1_000_000,
      keys: 50,
      signal: enough.signal,
    });
    for (const process of cluster.processes) {
      const before = ledger.acknowledged;
      await eventually(() => ledger.acknowledged > before + 500, { deadlineMs: 60_000 });
      await process.end('SIGKILL');
      await process.startReady();
      const after = ledger.acknowledged;
      await eventually(() => ledger.acknowledged > after + 500, { deadlineMs: 60_000 });
    }
    enough.abort();
    await load;
    await seenAll(hermes, ledger, 'orders', 'billing');
    await settledAll(hermes, 'orders', 'billing');
    await consumer.stop();
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
  });
});
