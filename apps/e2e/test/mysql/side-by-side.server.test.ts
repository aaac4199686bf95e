import { StorageClass } from '@hermes/client';
import { sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { seenAll, settledAll } from '../harness/drain.js';
import { Ledger, NO_VIOLATIONS } from '../harness/ledger.js';
import { publishLoad, startConsumer } from '../harness/load.js';
import { laneTables, lanesGone, MysqlCluster } from '../harness/mysql-cluster.js';
import { placed } from '../harness/placed.js';

const TOPICS = { critical: StorageClass.MYSQL, local: StorageClass.EMBEDDED } as const;
const MESSAGES = 2_000;

describe.each(SQL_SERVER_KINDS)('a cluster with embedded topics and topics on %s', (kind) => {
  it('serves both alike: published, consumed, settled, deleted', async () => {
    await using database = await (await sharedMysql(kind)).createDatabase();
    await using cluster = await MysqlCluster.start(database);
    const { hermes } = cluster;
    const ledgers = new Map<string, Ledger>();
    const useTopic = async (topic: keyof typeof TOPICS): Promise<void> => {
      const ledger = new Ledger();
      ledgers.set(topic, ledger);
      await hermes.admin.createTopic({ name: topic, storageClass: TOPICS[topic], partitions: 4 });
      await hermes.admin.createGroup({ topic, name: 'billing' });
      const consumer = startConsumer(hermes, ledger, { topic, group: 'billing', name: 'c-1' });
      await publishLoad(hermes, ledger, { topic, name: topic, messages: MESSAGES, keys: 50 });
      await seenAll(hermes, ledger, topic, 'billing');
      await settledAll(hermes, topic, 'billing');
      await consumer.stop();
    };
    await Promise.all([useTopic('critical'), useTopic('local')]);

    expect((await placed(hermes, 'critical')).map(({ dataSource }) => dataSource)).toEqual(['db', 'db', 'db', 'db']);
    for (const ledger of ledgers.values()) {
      expect(ledger.violations('billing')).toEqual(NO_VIOLATIONS);
      expect(ledger.acknowledged).toBe(MESSAGES);
    }
    expect(await laneTables(database)).toHaveLength(4);
    await hermes.admin.deleteTopic('critical');
    await lanesGone(database);
    await hermes.admin.deleteDataSource('db');
  });
});
