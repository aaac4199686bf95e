import { StorageClass } from '@hermes/client';
import { sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { MysqlCluster } from '../harness/mysql-cluster.js';
import { describeClock } from './describe-clock.js';

jest.setTimeout(120_000);

for (const kind of SQL_SERVER_KINDS) {
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
