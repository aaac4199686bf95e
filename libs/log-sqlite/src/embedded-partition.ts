import type {
  GroupState,
  MessageLog,
  OpenPartitionRequest,
  PartitionStore,
  ProducerState,
  Schedule,
} from '@hermes/log';

import { EmbeddedGroupState } from './embedded-group-state.js';
import { EmbeddedLog } from './embedded-log.js';
import { EmbeddedSchedule } from './embedded-schedule.js';
import { EmbeddedProducerState } from './embedded-producer-state.js';
import type { PartitionCalls } from './partition-calls.js';
import type { OpenAnswer } from './shard-protocol.js';

/** One opening of an embedded partition. */
export class EmbeddedPartition implements PartitionStore {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  readonly receiptKey: Uint8Array;
  readonly lanes: readonly MessageLog[];
  readonly groupState: GroupState;
  readonly schedule: Schedule;
  readonly producers: ProducerState;
  /** The lock on the directory lasts as long as the process. */
  readonly lost = new Promise<never>(() => undefined);
  readonly #calls: PartitionCalls;

  constructor(request: OpenPartitionRequest, opened: Extract<OpenAnswer, { kind: 'opened' }>, calls: PartitionCalls) {
    this.topicId = request.topicId;
    this.partition = request.partition;
    this.epoch = request.epoch;
    this.receiptKey = opened.receiptKey;
    this.lanes = opened.lanes.map((position, lane) => new EmbeddedLog(calls, lane, position));
    this.groupState = new EmbeddedGroupState(calls);
    this.schedule = new EmbeddedSchedule(calls, opened);
    this.producers = new EmbeddedProducerState(calls);
    this.#calls = calls;
  }

  timeMs(): number {
    return this.#calls.nowMs();
  }

  close(): Promise<void> {
    return this.#calls.close();
  }
}
