import { Durability, StorageClass } from '@hermes/client';
import { randomUUID } from 'node:crypto';

import { createKafkaSource } from '../harness/kafka-source.js';
import { describeMemory } from './memory-suite.js';

jest.setTimeout(300_000);

describeMemory('Kafka', async (hermes) => {
  await createKafkaSource(hermes, `m-${randomUUID()}`);
  return {
    ...{ storageClass: StorageClass.KAFKA, dataSources: ['log'] },
    requiredDurability: Durability.BUFFERED,
  };
});
