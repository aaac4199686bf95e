// Kafka, one broker: messages in its log, state of groups in the brokers' data directories.
import { readFileSync } from 'node:fs';

import contracts from '@hermes/contracts';
import testing from '@hermes/testing';
import kafkajs from 'kafkajs';

import { runChild } from './child.mjs';

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const SOURCE = 'bench';
const ASKED_SETTINGS = [
  ...['default.replication.factor', 'min.insync.replicas', 'log.flush.interval.messages', 'compression.type'],
];
/** Batches that are larger than Kafka's default of 1 MiB, as Hermes' topics take them. */
const TOPIC_CONFIG = [{ name: 'max.message.bytes', value: String(12 << 20) }];

/** Records of each partition in a request, and requests at once, of which the best counts. */
const SHAPES = [
  { batchRecords: 100, senders: 4 },
  { batchRecords: 500, senders: 2 },
  { batchRecords: 2000, senders: 1 },
];

/** Before that, a new JVM interprets most of what it does. */
const JVM_WARM_UP_MS = 5_000;

/** The protocol does not say; it is what the tests start. */
function versionOfTests() {
  const servers = readFileSync(new URL('../test-images/servers.sh', import.meta.url), 'utf8');
  return /^KAFKA_VERSION=(\d+\.\d+)/m.exec(servers)[1];
}

async function settingsOf({ brokers, ...options }) {
  const admin = new Kafka({ ...options, brokers, logLevel: logLevel.ERROR }).admin();
  await admin.connect();
  const broker = { type: ConfigResourceTypes.BROKER, name: '1', configNames: ASKED_SETTINGS };
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [broker] });
  await admin.disconnect();
  return Object.fromEntries(resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]));
}

export async function kafkaStorage() {
  const cluster = await testing.startKafka({ jvmOptions: [] });
  const options = cluster.clientOptions();
  let topics = 0;
  const measure = (kind, shape) => {
    topics += 1;
    const args = { kind, brokers: options.brokers, topic: `raw-${topics}`, config: TOPIC_CONFIG, ...shape };
    return runChild('./parts/kafka.mjs', args);
  };
  return {
    name: 'kafka',
    variant: `kafka-${versionOfTests()}`,
    settings: await settingsOf(options),
    brokerEnvironment: {},
    topicFields: {
      ...{ storageClass: contracts.StorageClass.KAFKA, dataSources: [SOURCE] },
      // One broker has no second copy.
      requiredDurability: contracts.Durability.BUFFERED,
    },
    /** Makes the data source known to a cluster. */
    prepare: (admin) =>
      admin('createDataSource', {
        dataSource: contracts.DataSource.fromPartial({
          ...{ name: SOURCE, storageClass: contracts.StorageClass.KAFKA, endpoints: options.brokers },
          kafka: { replicationFactor: 1, topicPrefix: SOURCE },
        }),
      }),
    /** Records per second of a raw idempotent producer. */
    async measureStore({ warmUpMs, measureMs }) {
      await measure('produce', { ...SHAPES[0], warmUpMs: JVM_WARM_UP_MS, measureMs });
      const rates = [];
      for (const shape of SHAPES) {
        rates.push(await measure('produce', { ...shape, warmUpMs, measureMs }));
      }
      return Math.max(...rates);
    },
    /** Records per second of a raw consumer. */
    measureReads: ({ warmUpMs, measureMs }) => measure('consume', { warmUpMs, measureMs }),
    stop: () => cluster.close(),
  };
}
