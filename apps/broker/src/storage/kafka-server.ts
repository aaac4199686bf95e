import { type DataSource, Durability, HermesError, SaslMechanism, StorageClass } from '@hermes/contracts';
import { type Logger } from '@hermes/kit';
import { type SecretReference, type StorageEngine } from '@hermes/log';
import {
  type KafkaLogListener,
  type KafkaNotice,
  type KafkaServerOptions,
  openKafkaEngine,
  type SaslMechanism as SaslName,
  type TopicSettings,
} from '@hermes/log-kafka';
import { type ConnectedServer, type ServerContext, tlsReferences } from './connected-server.js';

const TOPIC_PREFIX_DEFAULT = 'hermes';

const SASL_NAMES: Readonly<Record<SaslMechanism, SaslName>> = {
  [SaslMechanism.UNSPECIFIED]: 'plain',
  [SaslMechanism.PLAIN]: 'plain',
  [SaslMechanism.SCRAM_SHA_256]: 'scram-sha-256',
  [SaslMechanism.SCRAM_SHA_512]: 'scram-sha-512',
};

/** Connects to a Kafka cluster; `state` keeps what Kafka cannot. Rejects with StoreError if it cannot be had. */
export async function openKafkaServer(
  source: DataSource,
  state: StorageEngine,
  { environment, clock, timers, random, logger }: ServerContext,
): Promise<ConnectedServer> {
  const engine = await openKafkaEngine({
    ...{ server: serverOptions(source), topics: topicSettings(source), state, environment, clock, timers, random },
    onNotice: (notice) => {
      tell(notice, logger);
    },
    onLog: logTo(logger),
  });
  return {
    engine,
    problem: () => engine.problem,
    // Asked too seldom to be told from a cluster that is away for everybody.
    unreachable: () => false,
    version: () => '',
    durability: () => Durability.UNSPECIFIED,
    kafka: () => engine.figures,
  };
}

function tell(notice: KafkaNotice, logger: Logger): void {
  switch (notice.kind) {
    case 'taskFailed':
      logger.warn({ err: notice.error, task: notice.task }, 'background work on a data source failed');
      break;
    case 'attachedTopicChanged':
      logger.warn({ problem: notice.problem }, 'partitions of a topic that is attached to Kafka cannot be opened');
  }
}

/** What kafkajs calls an error is tried again: whatever matters comes as an error of a call. */
function logTo(logger: Logger): KafkaLogListener {
  return ({ namespace, log: { message, error } }) => {
    logger.debug({ kafka: namespace, ...(error === undefined ? {} : { reason: String(error) }) }, message);
  };
}

/** The cluster that a data source names. The meta-server has checked it; what came from elsewhere is refused. */
function serverOptions(source: DataSource): KafkaServerOptions {
  const { name, storageClass, endpoints, username, secret, tls, kafka } = source;
  if (storageClass !== StorageClass.KAFKA || endpoints.length === 0) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', `this broker cannot use data source ${name} as a Kafka cluster`);
  }
  const mechanism = SASL_NAMES[kafka?.sasl ?? SaslMechanism.UNSPECIFIED];
  return {
    brokers: endpoints,
    ...(username === '' ? {} : { sasl: { mechanism, username, password: secret as SecretReference } }),
    ...(tls === undefined ? {} : { tls: tlsReferences(tls) }),
  };
}

function topicSettings({ kafka }: DataSource): TopicSettings {
  const replicationFactor = kafka?.replicationFactor ?? 0;
  return {
    prefix: kafka?.topicPrefix === undefined || kafka.topicPrefix === '' ? TOPIC_PREFIX_DEFAULT : kafka.topicPrefix,
    ...(replicationFactor === 0 ? {} : { replicationFactor }),
    config: Object.fromEntries(kafka?.topicConfig ?? []),
  };
}
