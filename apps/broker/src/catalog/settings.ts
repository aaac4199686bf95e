import {
  Durability,
  type Duration,
  type Group,
  GroupMode,
  GroupState,
  LIMITS,
  type Position,
  PositionEdge,
  type RetryPolicy as GivenRetryPolicy,
  type RetryPolicy_Exponential,
  StateStore,
  StorageClass,
  timestampToMs,
  type Topic,
} from '@hermes/contracts';
import { type ExponentialWaits, type RetryPolicy } from '@hermes/delivery';
import { type Filter, parseFilter } from '@hermes/filter';
import { type AttachedTopic } from '@hermes/log';

/** How a topic is stored. */
export type StorageClassName = 'embedded' | 'mysql' | 'kafka';

/** What the broker needs to know of a topic. */
export interface TopicSettings {
  readonly name: string;
  /** Numeric id, never reused: names the topic in storage. */
  readonly id: number;
  readonly partitions: number;
  readonly lanes: number;
  readonly bodyBytesMax: number;
  readonly paused: boolean;
  /** What all groups have settled is kept so long. */
  readonly retentionAgeMs: number;
  /** What some group has not settled is kept so long; never shorter. */
  readonly hardRetentionAgeMs: number;
  /** Of a partition, about; 0 = any number. */
  readonly retentionBytes: number;
  readonly storageClass: StorageClassName;
  /** What its partitions are spread over, by name; and, beside Kafka's, what keeps their groups' state. */
  readonly dataSources: readonly string[];
  /** Its groups' state is in the metadata database. */
  readonly stateInMetadata: boolean;
  /** What its storage must promise for a message to be taken. */
  readonly requiredDurability: Durability;
  /** The existing Kafka topic that it is; undefined: its storage is made for it. */
  readonly attached: AttachedTopic | undefined;
}

/** What the broker needs to know of a group. */
export interface GroupSettings {
  readonly name: string;
  /** Numeric id, never reused: names the group in storage. */
  readonly id: number;
  readonly mode: 'exclusive' | 'shared' | 'keyOrdered';
  /** An end of the log, or the first message from a time on (ms). */
  readonly start: 'earliest' | 'latest' | number;
  readonly ackDeadlineMs: number;
  readonly retry: RetryPolicy;
  readonly paused: boolean;
  /** Which messages it wants; undefined: all. */
  readonly filter: Filter | undefined;
  /** What expires becomes a dead letter; else it is settled. */
  readonly deadLetterExpired: boolean;
  /** Some partition has not stored the group's start yet. */
  readonly creating: boolean;
}

/** A topic and its groups as of one moment. */
export interface TopicEntry {
  readonly topic: TopicSettings;
  readonly groups: readonly GroupSettings[];
}

const RETRY_DEFAULT = {
  kind: 'exponential',
  initialMs: LIMITS.retryInitialMs,
  maxMs: LIMITS.retryMaxMs,
  multiplier: LIMITS.retryMultiplier,
  jitter: LIMITS.retryJitter,
  maxAttempts: LIMITS.maxAttempts.default,
} as const satisfies RetryPolicy;
/** Reads a topic as the meta-server gives it. */
export function topicSettings(topic: Topic): TopicSettings {
  const retentionAgeMs = millis(topic.retentionAge, LIMITS.retentionAgeMs);
  return {
    name: topic.name,
    id: topic.uid,
    partitions: topic.partitions ?? LIMITS.partitions.default,
    lanes: topic.priorityLevels ?? LIMITS.priorityLevels.default,
    bodyBytesMax: topic.maxBodyBytes ?? LIMITS.bodyBytes.default,
    paused: topic.paused,
    retentionAgeMs,
    hardRetentionAgeMs: Math.max(retentionAgeMs, millis(topic.hardRetentionAge, LIMITS.hardRetentionAgeMs)),
    retentionBytes: topic.retentionBytes,
    storageClass: STORAGE_CLASSES[topic.storageClass],
    dataSources: topic.dataSources,
    stateInMetadata: topic.kafka?.stateStore === StateStore.METADATA,
    requiredDurability: topic.requiredDurability || Durability.DURABLE,
    attached: attachedTopic(topic),
  };
}

function attachedTopic({ kafka }: Topic): AttachedTopic | undefined {
  return kafka === undefined || kafka.topic === '' ? undefined : { topic: kafka.topic, readOnly: kafka.readOnly };
}

const STORAGE_CLASSES: Readonly<Record<StorageClass, StorageClassName>> = {
  [StorageClass.UNSPECIFIED]: 'embedded',
  [StorageClass.EMBEDDED]: 'embedded',
  [StorageClass.MYSQL]: 'mysql',
  [StorageClass.KAFKA]: 'kafka',
};

/** Reads a group as the meta-server gives it; what it leaves open is its topic's. */
export function groupSettings(group: Group, topic: Topic): GroupSettings {
  return {
    name: group.name,
    id: group.uid,
    mode: GROUP_MODES[group.mode],
    start: startOf(group.start),
    ackDeadlineMs: millis(group.ackDeadline, LIMITS.ackDeadlineMs.default),
    retry: retryPolicy(group.retry ?? topic.retry),
    paused: group.paused,
    filter: group.filter === '' ? undefined : parseFilter(group.filter),
    deadLetterExpired: group.deadLetterExpired,
    creating: group.state === GroupState.CREATING,
  };
}

function startOf(start: Position | undefined): GroupSettings['start'] {
  if (start?.kind?.$case === 'time') {
    return timestampToMs(start.kind.value) ?? 0;
  }
  return start?.kind?.$case === 'edge' && start.kind.value === PositionEdge.EARLIEST ? 'earliest' : 'latest';
}

const GROUP_MODES: Readonly<Record<GroupMode, GroupSettings['mode']>> = {
  [GroupMode.UNSPECIFIED]: 'keyOrdered',
  [GroupMode.EXCLUSIVE]: 'exclusive',
  [GroupMode.SHARED]: 'shared',
  [GroupMode.KEY_ORDERED]: 'keyOrdered',
};

function retryPolicy(given: GivenRetryPolicy | undefined): RetryPolicy {
  const maxAttempts = given?.maxAttempts ?? RETRY_DEFAULT.maxAttempts;
  switch (given?.kind?.$case) {
    case undefined:
      return { ...RETRY_DEFAULT, maxAttempts };
    case 'exponential':
      return { ...exponential(given.kind.value), maxAttempts };
    case 'fixed':
      return { kind: 'fixed', delayMs: millis(given.kind.value.delay, RETRY_DEFAULT.initialMs), maxAttempts };
    case 'list': {
      const delaysMs = given.kind.value.delays.map((delay) => millis(delay, RETRY_DEFAULT.initialMs));
      return { kind: 'list', delaysMs, maxAttempts: delaysMs.length + 1 };
    }
    case 'none':
      return { kind: 'list', delaysMs: [], maxAttempts: 1 };
  }
}

function exponential({ initial, max, multiplier, jitter }: RetryPolicy_Exponential): ExponentialWaits {
  return {
    kind: 'exponential',
    initialMs: millis(initial, RETRY_DEFAULT.initialMs),
    maxMs: millis(max, RETRY_DEFAULT.maxMs),
    multiplier: multiplier === 0 ? RETRY_DEFAULT.multiplier : multiplier,
    jitter: jitter ?? RETRY_DEFAULT.jitter,
  };
}

function millis(duration: Duration | undefined, defaultMs: number): number {
  return duration === undefined ? defaultMs : duration.seconds * 1_000 + Math.ceil(duration.nanos / 1_000_000);
}
