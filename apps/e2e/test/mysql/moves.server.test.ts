import { type Hermes, StorageClass } from '@hermes/client';
import { eventually, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { AckTimes } from '../harness/ack-times.js';
import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';

const PARTITIONS = 4;
const TOPIC = { topic: 'orders', group: 'billing' } as const;
const PATIENCE = { deadlineMs: 60_000 };

async function ownersOf(hermes: Hermes): Promise<string[]> {
  const partitions = await placed(hermes, TOPIC.topic);
  return partitions.sort((a, b) => a.partition - b.partition).map(({ broker }) => broker);
}

describe.each(SQL_SERVER_KINDS)('moves by hand on %s', (kind) => {
  it('no caller sees an error; what was moved stays until it is rebalanced', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.start(database, { brokers: 2 });
    const { hermes, processes } = cluster;
    await hermes.admin.createTopic({ name: TOPIC.topic, storageClass: StorageClass.MYSQL, partitions: PARTITIONS });
    await hermes.admin.createGroup({ topic: TOPIC.topic, name: TOPIC.group });
    const ledger = new Ledger();
    const times = new AckTimes();
    const consumer = startConsumer(hermes, ledger, { ...TOPIC, name: 'c' });
    const enough = new AbortController();
    const load = publishLoad(hermes, ledger, {
      ...{ topic: TOPIC.topic, name: 'load', messages: 10_000_000, keys: 100, signal: enough.signal },
      onAcknowledged: (id) => {
        times.note(id);
      },
    });
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    await eventually(() => times.allServed(all, 0), PATIENCE);

    const [first] = processes.brokers;
    const sinceMs = performance.now();
    for (const partition of all) {
      const epoch = await hermes.admin.movePartition(TOPIC.topic, partition, first!.name);
      const [moved] = (await placed(hermes, TOPIC.topic)).filter((one) => one.partition === partition);
      expect(moved).toMatchObject({ broker: first!.name, epoch, pinned: true });
    }
    expect(await ownersOf(hermes)).toEqual(all.map(() => first!.name));
    const planned = await hermes.admin.rebalance({ dryRun: true });
    expect(planned).toHaveLength(PARTITIONS / 2);
    expect(await ownersOf(hermes)).toEqual(all.map(() => first!.name));
    expect(await hermes.admin.rebalance()).toEqual(planned);
    await eventually(
      async () => new Set(await ownersOf(hermes)).size === 2 && !(await ownersOf(hermes)).includes(''),
      PATIENCE,
    );
    const movedMs = performance.now();
    await eventually(() => times.allServed(all, movedMs), PATIENCE);
    enough.abort();
    await load;
    await seenAll(hermes, ledger, TOPIC.topic, TOPIC.group);
    await settledAll(hermes, TOPIC.topic, TOPIC.group);
    await consumer.stop();
    process.stdout.write(
      `${kind}: ${ledger.acknowledged} acknowledged while partitions moved by hand; ` +
        `longest pause of one ${times.longestPauseMs(all, sinceMs).toFixed(0)} ms\n`,
    );
    expect(ledger.violations(TOPIC.group)).toEqual(NO_VIOLATIONS);
    expect([ledger.count('unknown'), ledger.count('refused')]).toEqual([0, 0]);
  });
});
