import { Durability, StorageClass } from '@hermes/client';
import { sharedMysql } from '@hermes/testing';

import { createKafkaSource } from '../harness/kafka-source.js';
import { MysqlCluster } from '../harness/mysql-cluster.js';
import { killings, LEASE_TTL_MS } from './delivery-suite.js';
import { describeDelivery } from './describe-delivery.js';

jest.setTimeout(120_000);

describeDelivery('Kafka', async () => {
  const database = await (await sharedMysql('mariadb')).createDatabase();
  const cluster = await MysqlCluster.start(database, { brokers: 2, leaseTtlMs: LEASE_TTL_MS });
  await createKafkaSource(cluster.hermes, database.name);
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
