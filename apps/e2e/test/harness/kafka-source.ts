import { type Hermes, SaslMechanism, StorageClass } from '@hermes/client';
import { sharedKafka } from '@hermes/testing';

/** Creates the data source `log` on the tests' shared Kafka. Topics there are told from other tests' by their prefix. */
export async function createKafkaSource(hermes: Hermes, topicPrefix: string): Promise<void> {
  const { bootstrap } = await sharedKafka();
  await hermes.admin.createDataSource({
    ...{ name: 'log', storageClass: StorageClass.KAFKA, endpoints: [...bootstrap] },
    kafka: { sasl: SaslMechanism.UNSPECIFIED, replicationFactor: 1, topicConfig: new Map(), topicPrefix },
  });
}
