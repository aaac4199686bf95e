import {
  type DataSource,
  DataSource_Kafka,
  type DataSource_Tls,
  Durability,
  type Duration,
  durationFromMs,
  durationToMs,
  type Group,
  GroupMode,
  parseRetryPolicy,
  Position,
  PositionEdge,
  type RetryPolicy,
  SaslMechanism,
  StateStore,
  StorageClass,
  type Topic,
  Topic_Kafka,
} from '@hermes/contracts';
import { type DataSourceFlags, type GroupFlags, type RetryFlags, type TopicFlags } from '../flags/resource-flags.js';
import { durationWords } from '../output.js';

const STORAGE_CLASSES = { embedded: StorageClass.EMBEDDED, mysql: StorageClass.MYSQL, kafka: StorageClass.KAFKA };
const DURABILITIES = {
  durable: Durability.DURABLE,
  replicated: Durability.REPLICATED,
  buffered: Durability.BUFFERED,
};
const STATE_STORES = {
  'data-source': StateStore.DATA_SOURCE,
  metadata: StateStore.METADATA,
  'data-directory': StateStore.DATA_DIRECTORY,
};
const SASL_MECHANISMS = {
  plain: SaslMechanism.PLAIN,
  'scram-sha-256': SaslMechanism.SCRAM_SHA_256,
  'scram-sha-512': SaslMechanism.SCRAM_SHA_512,
};
const MODES = {
  exclusive: GroupMode.EXCLUSIVE,
  shared: GroupMode.SHARED,
  'key-ordered': GroupMode.KEY_ORDERED,
};

/** The topic that flags describe; what is not given stays at the server's default. */
export function topicOf(name: string, flags: TopicFlags, before?: Topic): Partial<Topic> {
  return {
    name,
    ...given('partitions', flags.partitions),
    ...given('storageClass', flags.storageClass && STORAGE_CLASSES[flags.storageClass]),
    ...given('dataSources', flags.dataSources && [...flags.dataSources]),
    ...given('priorityLevels', flags.priorityLevels),
    ...given('maxBodyBytes', flags.maxBodyBytes),
    ...given('retentionAge', duration(flags.retentionAge)),
    ...given('retentionBytes', flags.retentionBytes),
    ...given('hardRetentionAge', duration(flags.hardRetentionAge)),
    ...given('retry', retryOf(flags, before?.retry)),
    ...given('requiredDurability', flags.requiredDurability && DURABILITIES[flags.requiredDurability]),
    ...given('brokerGroup', flags.brokerGroup),
    ...given('paused', flags.paused),
    ...given('etag', flags.etag ?? before?.etag),
    ...given('kafka', topicKafkaOf(flags)),
  };
}

/** Unset if nothing of it is given: only topics on Kafka have it. */
function topicKafkaOf({ kafkaTopic, readOnly, stateStore }: TopicFlags): Topic_Kafka | undefined {
  const fields = {
    ...given('topic', kafkaTopic),
    ...given('readOnly', readOnly),
    ...given('stateStore', stateStore && STATE_STORES[stateStore]),
  };
  return Object.keys(fields).length === 0 ? undefined : { ...Topic_Kafka.create(), ...fields };
}

/** What keeps the groups' state of a topic on Kafka, as its flag names it; empty where nothing is said. */
export function stateStoreWord({ stateStore }: Topic_Kafka): string {
  return Object.entries(STATE_STORES).find(([, value]) => value === stateStore)?.[0] ?? '';
}

/** The data source that flags describe. */
export function dataSourceOf(name: string, flags: DataSourceFlags): Partial<DataSource> {
  return {
    name,
    storageClass: STORAGE_CLASSES[flags.storageClass],
    endpoints: [...flags.endpoints],
    ...given('database', flags.database),
    ...given('username', flags.username),
    ...given('secret', flags.secret),
    ...given('tls', tlsOf(flags)),
    ...given('kafka', kafkaOf(flags)),
  };
}

/** Unset if nothing of it is given: only Kafka clusters have it. */
function kafkaOf({ sasl, topicConfig, ...flags }: DataSourceFlags): DataSource_Kafka | undefined {
  const fields = {
    ...given('sasl', sasl && SASL_MECHANISMS[sasl]),
    ...given('replicationFactor', flags.replicationFactor),
    ...given('topicConfig', topicConfig && new Map(topicConfig)),
    ...given('topicPrefix', flags.topicPrefix),
  };
  return Object.keys(fields).length === 0 ? undefined : { ...DataSource_Kafka.create(), ...fields };
}

/** TLS is asked for by itself, or by what it needs. */
function tlsOf({ tls, tlsCa, tlsCertificate, tlsKey }: DataSourceFlags): DataSource_Tls | undefined {
  return tls === true || [tlsCa, tlsCertificate, tlsKey].some((reference) => reference !== undefined)
    ? { ca: tlsCa ?? '', certificate: tlsCertificate ?? '', key: tlsKey ?? '' }
    : undefined;
}

/** The group that flags describe. */
export function groupOf(topic: string, name: string, flags: GroupFlags, before?: Group): Partial<Group> {
  return {
    topic,
    name,
    ...given('mode', flags.mode && MODES[flags.mode]),
    ...given('start', flags.start && Position.fromJSON(flags.start)),
    ...given('ackDeadline', duration(flags.ackDeadline)),
    ...given('retry', retryOf(flags, before?.retry)),
    ...given('filter', flags.filter),
    ...given('deadLetterExpired', flags.deadLetterExpired),
    ...given('paused', flags.paused),
    ...given('etag', flags.etag ?? before?.etag),
  };
}

/** True if flags change a part of an exponential policy, which is one field: the rest must be read first. */
export function changesRetry(flags: RetryFlags): boolean {
  return flags.maxAttempts !== undefined || changesWaits(flags);
}

function changesWaits({ retryInitial, retryMax, retryMultiplier, retryJitter }: RetryFlags): boolean {
  return [retryInitial, retryMax, retryMultiplier, retryJitter].some((value) => value !== undefined);
}

const NOT_IN_MASK = new Set(['name', 'topic', 'etag']);

/** Names of the fields that an update changes, as protobuf spells them. */
export function updateMask(resource: object): string[] {
  return Object.keys(resource)
    .filter((field) => !NOT_IN_MASK.has(field))
    .map((field) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

/** The policy with what flags change; the rest as before, or as the server has it by default. */
function retryOf(flags: RetryFlags, before: RetryPolicy | undefined): RetryPolicy | undefined {
  if (flags.retry !== undefined) {
    return parseRetryPolicy(flags.retry);
  }
  if (!changesRetry(flags)) {
    return undefined;
  }
  const attempts = given('maxAttempts', flags.maxAttempts);
  if (before?.kind !== undefined && !changesWaits(flags)) {
    return { ...before, ...attempts };
  }
  const current = before?.kind?.$case === 'exponential' ? before.kind.value : { multiplier: 0 };
  return {
    ...(before?.kind?.$case === 'exponential' ? before : {}),
    ...attempts,
    kind: {
      $case: 'exponential',
      value: {
        ...current,
        ...given('initial', duration(flags.retryInitial)),
        ...given('max', duration(flags.retryMax)),
        ...given('multiplier', flags.retryMultiplier),
        ...given('jitter', flags.retryJitter),
      },
    },
  };
}

/** `key-ordered`, as its flag says it. */
export function modeWord(mode: GroupMode): string {
  return Object.entries(MODES).find(([, value]) => value === mode)?.[0] ?? 'key-ordered';
}

/** `embedded` */
export function storageWord(storageClass: StorageClass): string {
  return Object.entries(STORAGE_CLASSES).find(([, value]) => value === storageClass)?.[0] ?? '';
}

/** `scram-sha-256`; empty: none. */
export function saslWord(sasl: SaslMechanism): string {
  return Object.entries(SASL_MECHANISMS).find(([, value]) => value === sasl)?.[0] ?? '';
}

/** `durable` */
export function durabilityWord(durability: Durability): string {
  return Object.entries(DURABILITIES).find(([, value]) => value === durability)?.[0] ?? '';
}

/** `16 attempts, 1s to 5m`, `6 attempts, 1s apart`, `3 attempts, after 3s and 1m`, `1 attempt` */
export function retryWords(retry: RetryPolicy | undefined): string {
  const attempts = `${retry?.maxAttempts ?? ''} attempts`;
  switch (retry?.kind?.$case) {
    case 'exponential':
      return `${attempts}, ${words(retry.kind.value.initial)} to ${words(retry.kind.value.max)}`;
    case 'fixed':
      return `${attempts}, ${words(retry.kind.value.delay)} apart`;
    case 'list':
      return `${attempts}, after ${retry.kind.value.delays.map(words).join(' and ')}`;
    case 'none':
      return '1 attempt';
    case undefined:
      return '';
  }
}

/** `30s` */
export function words(value: Duration | undefined): string {
  return value === undefined ? '' : durationWords(durationToMs(value) ?? 0);
}

/** `latest` */
export function positionWord(position: Position | undefined): string {
  if (position?.kind?.$case === 'edge') {
    return position.kind.value === PositionEdge.EARLIEST ? 'earliest' : 'latest';
  }
  return position?.kind?.$case ?? '';
}

function duration(ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : durationFromMs(ms);
}

function given<K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [name]: value } as Partial<Record<K, V>>);
}
