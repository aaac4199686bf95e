import { connect } from '@hermes/client';
import { eventually } from '@hermes/testing';

import { AckTimes } from '../harness/ack-times.js';
import { Cluster } from '../harness/cluster.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { owned } from '../harness/placed.js';

const KILLS = 10;
const PARTITIONS = 4;
const TOPIC = { topic: 'orders', group: 'billing' } as const;
const PATIENCE = { deadlineMs: 30_000 };

describe('a meta-server that is killed ten times in a row', () => {
  it('is not noticed by who publishes and consumes; nothing changes its owner; its epoch grows each time', async () => {
    await using cluster = await Cluster.start();
    await using gateway = await connect({ gateway: cluster.gatewayEndpoint });
    await using direct = await connect({ metaServers: [cluster.metaEndpoint] });
    await gateway.admin.createTopic({ name: TOPIC.topic, partitions: PARTITIONS });
    await gateway.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
    const before = await owned(gateway, TOPIC.topic);
    const ledger = new Ledger();
    const times = new AckTimes();
    const enough = new AbortController();
    const clients = [gateway, direct];
    const consumers = clients.map((client, nth) => startConsumer(client, ledger, { ...TOPIC, name: `c-${nth}` }));
    const load = clients.map((client, nth) =>
      publishLoad(client, ledger, {
        ...{
          topic: TOPIC.topic,
          name: `load-${nth}`,
          messages: 10_000_000,
          keys: 20,
          restMs: 10,
          signal: enough.signal,
        },
        onAcknowledged: (id) => {
          times.note(id);
        },
      }),
    );
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    await eventually(() => times.allServed(all, 0), PATIENCE);

    const sinceMs = performance.now();
    const epochs = [(await gateway.admin.getCluster()).leaderEpoch];
    for (let kill = 0; kill < KILLS; kill += 1) {
      await cluster.meta.end('SIGKILL');
      const deadMs = performance.now();
      await eventually(() => times.allServed(all, deadMs), PATIENCE);
      await cluster.meta.startReady();
      // Brokers have to come back before their leases end: nobody else can prolong them.
      await eventually(async () => {
        expect(await owned(gateway, TOPIC.topic)).toEqual(before);
      }, PATIENCE);
      epochs.push((await gateway.admin.getCluster()).leaderEpoch);
    }
    const pauseMs = times.longestPauseMs(all, sinceMs);
    enough.abort();
    await Promise.all(load);
    await seenAll(gateway, ledger, TOPIC.topic, TOPIC.group);
    await settledAll(gateway, TOPIC.topic, TOPIC.group);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    process.stdout.write(
      `meta-server killed ${KILLS} times: ${ledger.acknowledged} acknowledged, ` +
        `longest pause of a partition ${pauseMs.toFixed(0)} ms\n`,
    );
    expect(epochs).toEqual(epochs.map((_, nth) => epochs[0]! + nth));
    expect(ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    expect([ledger.count('unknown'), ledger.count('refused')]).toEqual([0, 0]);
    expect(ledger.repeats(TOPIC.group)).toBe(0);
  });
});
