import { type Hermes } from '@hermes/client';
import { eventually, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { MovePauses } from '../harness/move-pauses.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';
import { ALL, TOPIC, TopicLoad } from '../harness/topic-load.js';

const PATIENCE = { deadlineMs: 60_000 };
/** Times that all partitions are moved to one broker, to the other and the first one in turn. */
const ROUNDS = 6;

async function ownersOf(hermes: Hermes): Promise<string[]> {
  const partitions = await placed(hermes, TOPIC.topic);
  return partitions.sort((a, b) => a.partition - b.partition).map(({ broker }) => broker);
}

describe.each(SQL_SERVER_KINDS)('moves by hand on %s', (kind) => {
  it('no caller sees an error; what was moved stays until it is rebalanced', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.start(database, { brokers: 2 });
    const { hermes, processes } = cluster;
    await using load = await TopicLoad.start(cluster);
    const pauses = new MovePauses(load.seen);
    const [first, second] = processes.brokers.map(({ name }) => name);

    for (let round = 0; round < ROUNDS; round += 1) {
      const target = round % 2 === 0 ? second! : first!;
      for (const partition of ALL) {
        const sinceMs = performance.now();
        const before = (await ownersOf(hermes))[partition];
        const epoch = await hermes.admin.movePartition(TOPIC.topic, partition, target);
        const [moved] = (await placed(hermes, TOPIC.topic)).filter((one) => one.partition === partition);
        expect(moved).toMatchObject({ broker: target, epoch, pinned: true });
        await load.resumed([partition]);
        if (before !== target) {
          pauses.note([partition], sinceMs);
        }
      }
      expect(await ownersOf(hermes)).toEqual(ALL.map(() => target));
    }
    process.stdout.write(`${kind}: moved by hand, partitions paused: ${String(pauses)}\n`);

    const planned = await hermes.admin.rebalance({ dryRun: true });
    expect(planned).toHaveLength(ALL.length / 2);
    expect(await ownersOf(hermes)).toEqual(ALL.map(() => first));
    expect(await hermes.admin.rebalance()).toEqual(planned);
    await eventually(
      async () => new Set(await ownersOf(hermes)).size === 2 && !(await ownersOf(hermes)).includes(''),
      PATIENCE,
    );
    await load.served();
    await load.check();
    expect(load.repeats).toBe(0);
  });
});
