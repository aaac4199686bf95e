import { type Hermes, StorageClass } from '@hermes/client';
import { AssignmentReason } from '@hermes/contracts';
import { eventually, sharedMysql } from '@hermes/testing';

import { startConsumer } from '../harness/load.js';
import { Ledger } from '../harness/ledger.js';
import { PROGRAM } from '../harness/hermes-process.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';
import { runProgram } from '../harness/run-program.js';

const PATIENCE = { deadlineMs: 60_000 };

describe('the cluster view', () => {
  it('partitions are spread by weight, and hermes shows who has what, and why', async () => {
    await using database = await (await sharedMysql('mysql')).createDatabase();
    await using cluster = await MysqlCluster.start(database, { brokers: 2 });
    const { hermes, processes } = cluster;
    await hermes.admin.createTopic({ name: 'orders', storageClass: StorageClass.MYSQL, partitions: 8 });
    await hermes.admin.createGroup({ topic: 'orders', name: 'billing' });
    await processes.addBroker(['--broker-weight', '2']);
    await eventually(async () => {
      expect(await countsOf(hermes)).toEqual({ 'broker-0': 2, 'broker-1': 2, 'broker-2': 4 });
    }, PATIENCE);
    const consumer = startConsumer(hermes, new Ledger(), { topic: 'orders', group: 'billing', name: 'c-1' });
    const [first] = (await placed(hermes, 'orders')).filter(({ broker }) => broker === 'broker-0');
    await hermes.admin.movePartition('orders', first!.partition, 'broker-2');
    await hermes.admin.drainBroker('broker-1');
    await eventually(async () => {
      expect(await reasonsOf(hermes)).toEqual(['BALANCED', 'CREATED', 'DRAINED', 'MOVED']);
      const { brokers, consumers } = await hermes.admin.getCluster({ consumers: true });
      const told = brokers.map(({ weight, drained, partitions, movingPartitions }) => {
        return { weight, drained, isEmpty: partitions === 0, movingPartitions };
      });
      expect(told).toEqual([
        { weight: 1, drained: false, isEmpty: false, movingPartitions: 0 },
        { weight: 1, drained: true, isEmpty: true, movingPartitions: 0 },
        { weight: 2, drained: false, isEmpty: false, movingPartitions: 0 },
      ]);
      expect(consumers.map(({ consumer: name, held }) => [name, held.length])).toEqual([['c-1', 8]]);
    }, PATIENCE);
    for (const command of [['cluster'], ['partition', 'list']]) {
      const args = [PROGRAM, ...command, '--server', processes.gatewayEndpoint];
      const { code, output } = await runProgram(process.execPath, args);
      process.stdout.write(`$ hermes ${command.join(' ')}\n${output}\n`);
      expect(code).toBe(0);
    }
    await consumer.stop();
  });
});

/** All reasons that there are, once each. */
async function reasonsOf(hermes: Hermes): Promise<string[]> {
  const reasons = new Set((await placed(hermes, 'orders')).map(({ reason }) => AssignmentReason[reason]));
  return [...reasons].sort();
}

async function countsOf(hermes: Hermes): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { broker } of await placed(hermes, 'orders')) {
    counts[broker] = (counts[broker] ?? 0) + 1;
  }
  return counts;
}
