import {
  checkName,
  checkTopicName,
  Durability,
  type Duration,
  durationToMs,
  HermesError,
  invalidField,
  LIMITS,
  StorageClass,
  Topic,
} from '@hermes/contracts';

import { boundedDuration, boundedInt, knownEnum, refuse } from './field-check.js';
import { checkAttached, filledTopicKafka } from './kafka-topic-spec.js';
import { filledRetryPolicy } from './retry-policy.js';
import { maskedUpdate, type UpdateRules } from './update-mask.js';

/** What the server decides where a topic says nothing. */
export interface TopicDefaults {
  readonly storageClass: StorageClass;
}

/** Broker group of topics and brokers that name none. */
export const BROKER_GROUP_DEFAULT = 'default';

/** A topic may keep messages for as long as a timestamp can tell; less than a second is a mistake. */
const RETENTION_MS = { min: 1_000, max: 100 * 365 * 24 * 3_600_000 };

/** A new topic with its defaults filled in; INVALID_FIELD first, then UNSUPPORTED_BY_STORAGE. */
export function filledTopic(given: Topic | undefined, defaults: TopicDefaults): Topic {
  if (given === undefined) {
    throw invalidField('topic', 'required');
  }
  const retentionAge = retention('topic.retention_age', given.retentionAge, LIMITS.retentionAgeMs);
  const hardDefaultMs = Math.max(LIMITS.hardRetentionAgeMs, msOf(retentionAge));
  const storageClass = knownEnum('topic.storage_class', given.storageClass, {
    of: StorageClass,
    default: defaults.storageClass,
  });
  const filled: Topic = {
    ...Topic.fromPartial({}),
    name: given.name,
    partitions: boundedInt('topic.partitions', given.partitions, LIMITS.partitions),
    storageClass,
    dataSources: given.dataSources,
    priorityLevels: boundedInt('topic.priority_levels', given.priorityLevels, LIMITS.priorityLevels),
    maxBodyBytes: boundedInt('topic.max_body_bytes', given.maxBodyBytes, LIMITS.bodyBytes),
    retentionAge,
    retentionBytes: given.retentionBytes,
    hardRetentionAge: retention('topic.hard_retention_age', given.hardRetentionAge, hardDefaultMs),
    retry: filledRetryPolicy('topic.retry', given.retry),
    requiredDurability: knownEnum('topic.required_durability', given.requiredDurability, {
      of: Durability,
      default: storageClass === StorageClass.KAFKA ? Durability.REPLICATED : Durability.DURABLE,
    }),
    brokerGroup: given.brokerGroup === '' ? BROKER_GROUP_DEFAULT : given.brokerGroup,
    paused: given.paused,
    kafka: filledTopicKafka({ ...given, storageClass }),
  };
  checkNames(filled);
  if (given.retentionBytes < 0) {
    throw invalidField('topic.retention_bytes', 'not negative');
  }
  if (msOf(filled.hardRetentionAge) < msOf(filled.retentionAge)) {
    throw invalidField('topic.hard_retention_age', 'at least retention_age');
  }
  checkAttached(filled);
  refuseUnsupported(filled);
  return filled;
}

function retention(field: string, given: Duration | undefined, defaultMs: number): Duration {
  return boundedDuration(field, given, { ...RETENTION_MS, default: defaultMs });
}

function checkNames(topic: Topic): void {
  refuse(checkTopicName(topic.name, 'topic.name'));
  refuse(checkName(topic.brokerGroup, 'topic.broker_group'));
  if (topic.dataSources.length > LIMITS.partitions.max) {
    throw invalidField('topic.data_sources', `at most ${LIMITS.partitions.max} names`);
  }
  for (const [index, name] of topic.dataSources.entries()) {
    refuse(checkName(name, `topic.data_sources[${index}]`));
    if (topic.dataSources.indexOf(name) !== index) {
      throw invalidField(`topic.data_sources[${index}]`, 'each name once');
    }
  }
  if (topic.storageClass === StorageClass.EMBEDDED && topic.dataSources.length > 0) {
    throw invalidField('topic.data_sources', 'none: embedded topics live in data directories');
  }
}

function refuseUnsupported({ requiredDurability, storageClass }: Topic): void {
  const isKafka = storageClass === StorageClass.KAFKA;
  const problem =
    requiredDurability === Durability.REPLICATED && !isKafka
      ? 'only Kafka has in-sync replicas: this cannot be REPLICATED'
      : requiredDurability === Durability.DURABLE && isKafka
        ? 'Kafka answers before it flushes: this cannot be DURABLE'
        : undefined;
  if (problem !== undefined) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', problem, { details: { feature: 'required_durability' } });
  }
}

function msOf(duration: Duration | undefined): number {
  return duration === undefined ? 0 : (durationToMs(duration) ?? 0);
}

const UPDATE_RULES: UpdateRules<Topic> = {
  resource: 'topic',
  changeable: {
    partitions: 'partitions',
    priority_levels: 'priorityLevels',
    max_body_bytes: 'maxBodyBytes',
    retention_age: 'retentionAge',
    retention_bytes: 'retentionBytes',
    hard_retention_age: 'hardRetentionAge',
    retry: 'retry',
    broker_group: 'brokerGroup',
    paused: 'paused',
  },
  fixed: {
    name: 'name',
    storage_class: 'storageClass',
    data_sources: 'dataSources',
    required_durability: 'requiredDurability',
    kafka: 'kafka',
  },
  outputOnly: ['uid', 'etag', 'created_at'],
};

/** The topic after an update. IMMUTABLE_FIELD for what is fixed or would shrink. */
export function updatedTopic(current: Topic, given: Topic, mask: readonly string[]): Topic {
  const next = filledTopic(maskedUpdate(current, given, mask, UPDATE_RULES), current);
  refuseToShrink('topic.partitions', current.partitions, next.partitions);
  refuseToShrink('topic.priority_levels', current.priorityLevels, next.priorityLevels);
  return next;
}

function refuseToShrink(field: string, before = 0, after = 0): void {
  if (after < before) {
    throw new HermesError('IMMUTABLE_FIELD', `${field} only grows: it is ${before}`, { details: { field } });
  }
}
