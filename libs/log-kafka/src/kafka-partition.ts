import type { GroupSnapshot } from '@hermes/delivery';
import type {
  GroupState,
  MessageLog,
  OpeningGate,
  PartitionStore,
  ProducerState,
  Schedule,
  StoreError,
} from '@hermes/log';

import type { FeedFetcher } from './feed-fetcher.js';
import { KafkaGroupState } from './kafka-group-state.js';
import type { KafkaLog } from './kafka-log.js';
import { KafkaSchedule } from './kafka-schedule.js';
import { durabilityOf, type TopicFacts } from './kafka-topics.js';

export interface KafkaPartitionOptions {
  /** The partition's state, fenced at this epoch. */
  readonly state: PartitionStore;
  readonly lanes: readonly KafkaLog[];
  /** Of the lanes' Kafka topics. */
  readonly facts: readonly TopicFacts[];
  /** The groups as the opening has read them. */
  readonly groups: readonly GroupSnapshot[];
  readonly producers: ProducerState;
  readonly fetcher: FeedFetcher;
  readonly gate: OpeningGate;
}

/** One opening of a partition whose messages are in Kafka and whose state is in a SQL store. */
export class KafkaPartition implements PartitionStore {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  readonly receiptKey: Uint8Array;
  readonly lanes: readonly MessageLog[];
  readonly groupState: GroupState;
  readonly schedule: Schedule;
  readonly producers: ProducerState;
  readonly durability: 'durable' | 'replicated' | 'buffered';
  readonly lost: Promise<StoreError>;
  readonly #options: KafkaPartitionOptions;

  constructor(options: KafkaPartitionOptions) {
    const { state, lanes, facts, groups, producers, gate } = options;
    this.topicId = state.topicId;
    this.partition = state.partition;
    this.epoch = state.epoch;
    this.receiptKey = state.receiptKey;
    this.lanes = lanes;
    this.groupState = new KafkaGroupState(state.groupState, lanes, groups);
    this.schedule = new KafkaSchedule(state.schedule, lanes);
    this.producers = producers;
    this.durability = weakest(facts);
    this.lost = Promise.race([state.lost, gate.lost]);
    this.#options = options;
  }

  timeMs(): number {
    return this.#options.state.timeMs();
  }

  /** What is in doubt stays in doubt. */
  async close(): Promise<void> {
    const { state, lanes, fetcher, gate } = this.#options;
    for (const lane of lanes) {
      fetcher.remove(lane);
    }
    await gate.close();
    await state.close();
  }
}

const ORDER = ['buffered', 'durable', 'replicated'] as const;

function weakest(facts: readonly TopicFacts[]): (typeof ORDER)[number] {
  const found = facts.map(durabilityOf);
  return ORDER.find((durability) => found.includes(durability)) ?? 'buffered';
}
