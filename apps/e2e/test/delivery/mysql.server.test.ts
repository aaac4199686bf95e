import { StorageClass } from '@hermes/client';
import { sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { MysqlCluster } from '../harness/mysql-cluster.js';
import { LEASE_TTL_MS } from './delivery-suite.js';
import { describeDelivery } from './describe-delivery.js';

jest.setTimeout(120_000);

for (const kind of SQL_SERVER_KINDS) {
  describeDelivery(kind, async () => {
    const database = await (await sharedMysql(kind)).createDatabase();
    const cluster = await MysqlCluster.start(database, { brokers: 2, leaseTtlMs: LEASE_TTL_MS });
    return {
      processes: cluster.processes,
      topicFields: { storageClass: StorageClass.MYSQL },
      [Symbol.asyncDispose]: async () => {
        await cluster[Symbol.asyncDispose]();
        await database.drop();
      },
    };
  });
}
