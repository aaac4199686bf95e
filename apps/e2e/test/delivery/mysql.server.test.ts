import { StorageClass } from '@hermes/client';
import { MysqlProxy, sharedMysql, SQL_SERVER_KINDS } from '@hermes/testing';

import { MysqlCluster } from '../harness/mysql-cluster.js';
import { killings, LEASE_TTL_MS } from './delivery-suite.js';
import { describeDelivery } from './describe-delivery.js';
import { describeLostCommits, lossesOf } from './lost-commits.js';
import { describePullMoves } from './pull-moves.js';

jest.setTimeout(120_000);

for (const kind of SQL_SERVER_KINDS) {
  let proxy: MysqlProxy;
  const start = async () => {
    const database = await (await sharedMysql(kind)).createDatabase();
    proxy = await MysqlProxy.start(database);
    const address = { ...database, host: '127.0.0.1', port: proxy.port };
    const cluster = await MysqlCluster.start(address, { brokers: 2, leaseTtlMs: LEASE_TTL_MS });
    return {
      processes: cluster.processes,
      topicFields: { storageClass: StorageClass.MYSQL },
      losses: [...killings(cluster.processes.brokers), ...lossesOf(proxy, 'settle')],
      [Symbol.asyncDispose]: async () => {
        await cluster[Symbol.asyncDispose]();
        proxy.close();
        await database.drop();
      },
    };
  };
  describeDelivery(kind, start, (suite) => {
    describeLostCommits(suite, () => proxy);
    describePullMoves(suite);
  });
}
