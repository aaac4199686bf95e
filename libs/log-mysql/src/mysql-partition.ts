import type {
  GroupState,
  MessageLog,
  OpeningGate,
  PartitionStore,
  ProducerState,
  Schedule,
  StoreError,
} from '@hermes/log';

import type { FencedWriter } from './fenced-writer.js';
import type { PartitionAddress } from './partition-rows.js';

export interface MysqlPartitionOptions extends PartitionAddress {
  readonly epoch: number;
  readonly receiptKey: Uint8Array;
  readonly lanes: readonly MessageLog[];
  readonly groupState: GroupState;
  readonly schedule: Schedule;
  readonly producers: ProducerState;
  readonly fenced: FencedWriter;
  readonly gate: OpeningGate;
  readonly nowMs: () => number;
}

/** One opening of a partition on MySQL. */
export class MysqlPartition implements PartitionStore {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  readonly receiptKey: Uint8Array;
  readonly lanes: readonly MessageLog[];
  readonly groupState: GroupState;
  readonly schedule: Schedule;
  readonly producers: ProducerState;
  readonly #options: MysqlPartitionOptions;

  constructor(options: MysqlPartitionOptions) {
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.epoch = options.epoch;
    this.receiptKey = options.receiptKey;
    this.lanes = options.lanes;
    this.groupState = options.groupState;
    this.schedule = options.schedule;
    this.producers = options.producers;
    this.#options = options;
  }

  get lost(): Promise<StoreError> {
    return this.#options.gate.lost;
  }

  timeMs(): number {
    return this.#options.nowMs();
  }

  /** What is in doubt stays in doubt: a newer owner's fence decides it. */
  close(): Promise<void> {
    this.#options.fenced.abandon();
    return this.#options.gate.close();
  }
}
