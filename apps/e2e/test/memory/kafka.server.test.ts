import { Durability, SaslMechanism, StorageClass } from '@hermes/client';
import { sharedKafka } from '@hermes/testing';
import { randomUUID } from 'node:crypto';

import { describeMemory } from './memory-suite.js';

jest.setTimeout(300_000);

describeMemory('Kafka', async (hermes) => {
  const { bootstrap } = await sharedKafka();
  await hermes.admin.createDataSource({
    ...{ name: 'log', storageClass: StorageClass.KAFKA, endpoints: [...bootstrap] },
    kafka: {
      sasl: SaslMechanism.UNSPECIFIED,
      replicationFactor: 1,
      topicConfig: new Map(),
      topicPrefix: `m-${randomUUID()}`,
    },
  });
  return {
    ...{ storageClass: StorageClass.KAFKA, dataSources: ['log'] },
    requiredDurability: Durability.BUFFERED,
  };
});
