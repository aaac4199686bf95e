import { invalidField, StateStore, StorageClass, type Topic, Topic_Kafka } from '@hermes/contracts';

import { knownEnum } from './field-check.js';

/** Kafka's own rule for the names of topics. */
const KAFKA_TOPIC_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/;

/** What only topics on Kafka have, with defaults filled in; undefined for the others. INVALID_FIELD for what cannot be. */
export function filledTopicKafka({ storageClass, kafka }: Topic): Topic_Kafka | undefined {
  if (storageClass !== StorageClass.KAFKA) {
    if (kafka !== undefined) {
      throw invalidField('topic.kafka', 'only with storage class KAFKA');
    }
    return undefined;
  }
  const { topic, readOnly, stateStore: given } = kafka ?? Topic_Kafka.create();
  const stateStore = knownEnum('topic.kafka.state_store', given, { of: StateStore, default: StateStore.UNSPECIFIED });
  if (topic !== '' && !KAFKA_TOPIC_NAME.test(topic)) {
    throw invalidField('topic.kafka.topic', '1 to 249 of A-Z, a-z, 0-9, ., _ and -, neither . nor ..');
  }
  if (readOnly && topic === '') {
    throw invalidField('topic.kafka.read_only', 'only with kafka.topic: nobody could write to a topic of its own');
  }
  return { topic, readOnly, stateStore };
}

/** INVALID_FIELD for what a topic that is attached to an existing Kafka topic cannot have. */
export function checkAttached(topic: Topic): void {
  if (isAttached(topic) && topic.priorityLevels !== 1) {
    throw invalidField('topic.priority_levels', 'exactly 1: an attached Kafka topic is one lane');
  }
}

/**
 * Checks the data sources that a topic names by their classes, in its order: all of its own class, and for KAFKA one of
 * class MYSQL beside. INVALID_FIELD names the first that does not fit.
 */
export function checkDataSourceClasses(topic: Topic, classes: readonly StorageClass[]): void {
  const { storageClass } = topic;
  const mayKeepState = storageClass === StorageClass.KAFKA;
  for (const [index, found] of classes.entries()) {
    const keepsState = mayKeepState && found === StorageClass.MYSQL;
    const field = `topic.data_sources[${index}]`;
    if (found !== storageClass && !keepsState) {
      throw invalidField(field, 'a data source of the topic’s storage class');
    }
    if (keepsState && classes.indexOf(StorageClass.MYSQL) !== index) {
      throw invalidField(field, 'at most one of class MYSQL, which keeps the groups’ state');
    }
  }
  if (isAttached(topic) && classes.filter((found) => found === StorageClass.KAFKA).length !== 1) {
    throw invalidField('topic.data_sources', 'exactly one of class KAFKA: the cluster that has kafka.topic');
  }
}

/**
 * The topic with what keeps its groups' state, if that is not decided yet: by the classes of the data sources that it
 * names, and by whether brokers can reach the metadata. INVALID_FIELD for a wish that cannot be.
 */
export function withStateStore(
  topic: Topic,
  classes: readonly StorageClass[],
  { isMetadataShared }: { readonly isMetadataShared: boolean },
): Topic {
  if (topic.storageClass !== StorageClass.KAFKA) {
    return topic;
  }
  const kafka = topic.kafka ?? Topic_Kafka.create();
  const isNamed = classes.includes(StorageClass.MYSQL);
  const problem = isNamed ? NAMED[kafka.stateStore] : UNNAMED[kafka.stateStore];
  if (problem !== undefined) {
    throw invalidField('topic.kafka.state_store', problem);
  }
  if (kafka.stateStore === StateStore.METADATA && !isMetadataShared) {
    throw invalidField('topic.kafka.state_store', 'not METADATA: the metadata are not in MySQL');
  }
  const unnamed = isMetadataShared ? StateStore.METADATA : StateStore.DATA_DIRECTORY;
  const stateStore = kafka.stateStore || (isNamed ? StateStore.DATA_SOURCE : unnamed);
  return { ...topic, kafka: { ...kafka, stateStore } };
}

/** A topic that is asked for again: what it leaves open was decided when it was made, and stays. */
export function decidedAs(existing: Topic, given: Topic): Topic {
  const { kafka } = given;
  if (kafka?.stateStore !== StateStore.UNSPECIFIED) {
    return given;
  }
  return { ...given, kafka: { ...kafka, stateStore: existing.kafka?.stateStore ?? StateStore.UNSPECIFIED } };
}

const MUST_BE_DATA_SOURCE = 'DATA_SOURCE, as a data source of class MYSQL is named';
const NAMED: Partial<Record<StateStore, string>> = {
  [StateStore.METADATA]: MUST_BE_DATA_SOURCE,
  [StateStore.DATA_DIRECTORY]: MUST_BE_DATA_SOURCE,
};
const UNNAMED: Partial<Record<StateStore, string>> = {
  [StateStore.DATA_SOURCE]: 'not DATA_SOURCE, as no data source of class MYSQL is named',
};

function isAttached({ kafka }: Topic): boolean {
  return kafka !== undefined && kafka.topic !== '';
}
