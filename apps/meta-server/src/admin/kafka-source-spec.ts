import { checkName, type DataSource, DataSource_Kafka, invalidField, SaslMechanism } from '@hermes/contracts';

import { boundedInt, knownEnum, refuse } from './field-check.js';

/** Kafka takes an int16. */
const REPLICATION_FACTOR = { default: 0, min: 0, max: 32_767 };
const TOPIC_PREFIX_DEFAULT = 'hermes';
const TOPIC_CONFIG_MAX = 64;
const CONFIG_NAME = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const CONFIG_VALUE = /^[^\p{Cc}]{0,1024}$/u;

/** What only Kafka clusters have, with defaults filled in and the topics' settings by name; INVALID_FIELD for what cannot be. */
export function filledSourceKafka({ kafka, username, secret }: DataSource): DataSource_Kafka {
  const given = kafka ?? DataSource_Kafka.create();
  const sasl = knownEnum('data_source.kafka.sasl', given.sasl, {
    of: SaslMechanism,
    default: username === '' ? SaslMechanism.UNSPECIFIED : SaslMechanism.PLAIN,
  });
  checkCredentials(sasl, { username, secret });
  const replicationFactor = boundedInt(
    'data_source.kafka.replication_factor',
    given.replicationFactor,
    REPLICATION_FACTOR,
  );
  const topicPrefix = given.topicPrefix === '' ? TOPIC_PREFIX_DEFAULT : given.topicPrefix;
  refuse(checkName(topicPrefix, 'data_source.kafka.topic_prefix'));
  return { sasl, replicationFactor, topicConfig: checkedTopicConfig(given.topicConfig), topicPrefix };
}

/** SASL needs both, and nothing else needs either. */
function checkCredentials(sasl: SaslMechanism, { username, secret }: Pick<DataSource, 'username' | 'secret'>): void {
  if (username === '' && (sasl !== SaslMechanism.UNSPECIFIED || secret !== '')) {
    throw invalidField('data_source.username', 'required with kafka.sasl or a secret');
  }
  if (username !== '' && secret === '') {
    throw invalidField('data_source.secret', 'required with a username: file:PATH or env:NAME at the broker');
  }
}

function checkedTopicConfig(given: ReadonlyMap<string, string>): Map<string, string> {
  const field = 'data_source.kafka.topic_config';
  if (given.size > TOPIC_CONFIG_MAX) {
    throw invalidField(field, `at most ${TOPIC_CONFIG_MAX} settings`);
  }
  for (const [name, value] of given) {
    if (!CONFIG_NAME.test(name)) {
      throw invalidField(field, 'names of 1 to 128 of a-z, 0-9, ., _ and -');
    }
    if (!CONFIG_VALUE.test(value)) {
      throw invalidField(`${field}.${name}`, 'at most 1024 characters');
    }
    if (name === 'cleanup.policy' && value !== 'delete') {
      throw invalidField(`${field}.${name}`, 'delete: compaction would take messages that nobody has read');
    }
  }
  // Two lists of the same settings are the same data source.
  return new Map([...given].sort(([a], [b]) => (a < b ? -1 : 1)));
}
