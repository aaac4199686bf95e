import { Durability, SaslMechanism, StorageClass } from '@hermes/client';
import { sharedKafka, sharedMysql } from '@hermes/testing';

import { MysqlCluster } from '../harness/mysql-cluster.js';
import { killings, LEASE_TTL_MS } from './delivery-suite.js';
import { describeDelivery } from './describe-delivery.js';

jest.setTimeout(120_000);

describeDelivery('Kafka', async () => {
  const { bootstrap } = await sharedKafka();
  const database = await (await sharedMysql('mariadb')).createDatabase();
  const cluster = await MysqlCluster.start(database, { brokers: 2, leaseTtlMs: LEASE_TTL_MS });
  await cluster.hermes.admin.createDataSource({
    ...{ name: 'log', storageClass: StorageClass.KAFKA, endpoints: [...bootstrap] },
    kafka: {
      sasl: SaslMechanism.UNSPECIFIED,
      replicationFactor: 1,
      topicConfig: new Map(),
      topicPrefix: database.name,
    },
  });
  return {
    processes: cluster.processes,
    topicFields: {
      ...{ storageClass: StorageClass.KAFKA, dataSources: ['log', 'db'] },
      requiredDurability: Durability.BUFFERED,
    },
    losses: killings(cluster.processes.brokers),
    [Symbol.asyncDispose]: async () => {
      await cluster[Symbol.asyncDispose]();
      await database.drop();
    },
  };
});
