import { connect } from '@hermes/client';
import { createDeferred } from '@hermes/runtime';

import { Cluster } from './harness/cluster.js';
import { seenAll } from './harness/drain.js';
import { Ledger, NO_VIOLATIONS } from './harness/ledger.js';
import { publishLoad, startConsumer } from './harness/load.js';
import { placed } from './harness/placed.js';
import { servedAgainMs, watchPauses } from './harness/pauses.js';

const MESSAGES_PER_CLIENT = 10_000;
/** Generous: what is measured is printed. The promise is 2 s on a quiet machine. */
const SERVED_AGAIN_MAX_MS = 10_000;

describe('a broker that is killed under load and started again, while a third joins', () => {
  it('loses nothing, keeps order, leaves the other broker undisturbed, and serves again at new epochs', async () => {
    await using cluster = await Cluster.start({ brokers: 2 });
    await using first = await connect({ gateway: cluster.gatewayEndpoint });
    await using second = await connect({ gateway: cluster.gatewayEndpoint });
    const ledger = new Ledger();
    await first.admin.createTopic({ name: 'orders', partitions: 8 });
    await first.admin.createGroup({ topic: 'orders', name: 'billing' });
    // Probes have a topic of their own, spread over the same two brokers.
    await first.admin.createTopic({ name: 'probes', partitions: 8 });
    const before = await placed(first, 'orders');
    const probed = await placed(first, 'probes');
    const [victim, survivor] = cluster.brokers;
    const consumer = startConsumer(second, ledger, { topic: 'orders', group: 'billing', name: 'c-1' });
    const pauses = watchPauses(survivor!, 'probes', probed);

    const half = createDeferred<undefined>();
    const loads = [first, second].map((hermes, i) =>
      publishLoad(hermes, ledger, {
        topic: 'orders',
        name: `client-${i}`,
        messages: MESSAGES_PER_CLIENT,
        keys: 50,
        onProgress: (ended) => {
          if (i === 0 && ended === MESSAGES_PER_CLIENT / 4) {
            half.resolve(undefined);
          }
        },
      }),
    );
    await half.promise;
    await victim!.process.end('SIGKILL');
    victim!.process.start();
    const againMs = await servedAgainMs('probes', victim!, probed);
    await cluster.addBroker();
    await first.admin.createTopic({ name: 'later', partitions: 8 });
    await Promise.all(loads);
    await seenAll(first, ledger, 'orders', 'billing');
    await consumer.stop();
    const worstPauseMs = await pauses.stop();

    process.stdout.write(
      `killed broker serves again ${Math.round(againMs)} ms after its start; ` +
        `longest pause of the other broker's partitions ${Math.round(worstPauseMs)} ms; ` +
        `${ledger.acknowledged} acknowledged, ${ledger.count('unknown')} unknown, ${ledger.count('refused')} refused, ` +
        `${ledger.repeats('billing')} delivered again\n`,
    );
    expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
    expect(ledger.acknowledged).toBeGreaterThan(MESSAGES_PER_CLIENT);
    expect(againMs).toBeLessThan(SERVED_AGAIN_MAX_MS);
    expect(worstPauseMs).toBeLessThan(SERVED_AGAIN_MAX_MS);

    const after = await placed(first, 'orders');
    for (const { partition, broker, epoch } of before) {
      const now = after.find((other) => other.partition === partition);
      expect(now?.broker).toBe(broker);
      if (broker === victim!.name) {
        expect(now!.epoch).toBeGreaterThan(epoch);
      } else {
        expect(now!.epoch).toBe(epoch);
      }
    }
    const later = await placed(first, 'later');
    expect(new Set(later.map(({ broker }) => broker))).toContain('broker-2');
  });
});
