import { StorageClass } from '@hermes/client';
import { sharedMysql } from '@hermes/testing';

import { MysqlCluster } from '../harness/mysql-cluster.js';
import { describeClock } from './describe-clock.js';

jest.setTimeout(120_000);

// The servers differ in nothing that this is about.
for (const kind of ['mariadb'] as const) {
  describeClock(kind, true, async (environmentOf) => {
    const database = await (await sharedMysql(kind)).createDatabase();
    const cluster = await MysqlCluster.start(database, { brokers: 1, environmentOf });
    return {
      processes: cluster.processes,
      topicFields: { storageClass: StorageClass.MYSQL },
      losses: [],
      [Symbol.asyncDispose]: async () => {
        await cluster[Symbol.asyncDispose]();
        await database.drop();
      },
    };
  });
}
