import { connect, type Hermes } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { Cluster } from './harness/cluster.js';
import { seenAll, settledAll } from './harness/drain.js';
import { Ledger, NO_VIOLATIONS } from './harness/ledger.js';
import { publishLoad, startConsumer } from './harness/load.js';
import { placed } from './harness/placed.js';

const ROUNDS = 4;
const MESSAGES_PER_ROUND = 4_000;

/** Publishes and consumes until a third of the load is through, then kills every process in the midst of it. */
async function loadUntilKilled(cluster: Cluster, ledger: Ledger, round: number): Promise<void> {
  const hermes = await connect({ gateway: cluster.gatewayEndpoint });
  const giveUp = new AbortController();
  const consumer = startConsumer(hermes, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
  const killed = new Promise<void>((resolve) => {
    void publishLoad(hermes, ledger, {
      topic: 'orders',
      name: `round-${round}`,
      messages: MESSAGES_PER_ROUND,
      keys: 40,
      signal: giveUp.signal,
      onProgress: (ended) => {
        if (ended === Math.floor(MESSAGES_PER_ROUND / 3)) {
          void cluster.killAll().then(resolve);
        }
      },
    });
  });
  await killed;
  giveUp.abort();
  await hermes.close();
  await consumer.stop();
}

async function epochs(hermes: Hermes): Promise<Map<number, number>> {
  const partitions = await placed(hermes, 'orders');
  return new Map(partitions.map(({ partition, epoch }) => [partition, epoch]));
}

describe('kill -9 of every process at once, again and again, under load', () => {
  it('loses nothing acknowledged, continues groups at their floors, and uses no epoch twice', async () => {
    await using cluster = await Cluster.start({ brokers: 2 });
    const ledger = new Ledger();
    let hermes = await connect({ gateway: cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'orders', partitions: 8 });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    let known = await epochs(hermes);
    let floors = new Map<number, number>();
    for (let round = 0; round < ROUNDS; round += 1) {
      await hermes.close();
      await loadUntilKilled(cluster, ledger, round);
      await cluster.restartAll();
      hermes = await connect({ gateway: cluster.gatewayEndpoint });
      const { lanes } = await eventually(() => hermes.admin.describeGroup('orders', 'billing'), {
        deadlineMs: 20_000,
        intervalMs: 100,
      });
      const now = await epochs(hermes);
      for (const [partition, epoch] of known) {
        expect(now.get(partition)).toBeGreaterThan(epoch);
      }
      for (const { partition, floor } of lanes) {
        expect(floor).toBeGreaterThanOrEqual(floors.get(partition) ?? 0);
      }
      known = now;
      floors = new Map(lanes.map(({ partition, floor }) => [partition, floor]));
    }
    const consumer = startConsumer(hermes, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
    await seenAll(hermes, ledger, 'orders', 'billing');
    await settledAll(hermes, 'orders', 'billing');
    await consumer.stop();
    await hermes.close();
    process.stdout.write(
      `${ROUNDS} times everything killed: ${ledger.acknowledged} acknowledged, ${ledger.count('unknown')} unknown, ` +
        `${ledger.repeats('billing')} delivered again\n`,
    );
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
    expect(ledger.acknowledged).toBeGreaterThan(ROUNDS * 1_000);
  });
});
