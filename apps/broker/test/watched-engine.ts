import {
  type GroupState,
  type OpenPartitionOutcome,
  type PartitionStore,
  type Schedule,
  type StorageEngine,
} from '@hermes/log';
import { type EmbeddedEngine } from '@hermes/log-sqlite';

/** A call of the engine or of one of its stores. */
export interface StoreCall {
  readonly op: 'open' | 'delete' | 'close' | 'load' | 'commit' | 'schedule' | 'unschedule';
  readonly groupId?: number;
}

/** Embedded storage as it is; only a test sees each call before it is made, and may hold it up or fail it. */
export class WatchedEngine implements StorageEngine {
  readonly #engine: EmbeddedEngine;
  before: (call: StoreCall) => Promise<void> = () => Promise.resolve();
  /** Whether other brokers can have what is stored here. */
  movable = false;

  constructor(engine: EmbeddedEngine) {
    this.#engine = engine;
  }

  get capabilities(): StorageEngine['capabilities'] {
    return { ...this.#engine.capabilities, movable: this.movable };
  }

  /** How many partitions the directory holds. */
  async stored(): Promise<number> {
    return (await this.#engine.partitions()).length;
  }

  async openPartition(request: Parameters<StorageEngine['openPartition']>[0]): Promise<OpenPartitionOutcome> {
    await this.before({ op: 'open' });
    const outcome = await this.#engine.openPartition(request);
    return outcome.kind === 'opened' ? { ...outcome, store: this.#watch(outcome.store) } : outcome;
  }

  async deletePartition(topicId: number, partition: number): Promise<void> {
    await this.before({ op: 'delete' });
    await this.#engine.deletePartition(topicId, partition);
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  #watch(store: PartitionStore): PartitionStore {
    const { groupState, schedule, producers, topicId, partition, epoch, receiptKey, lanes } = store;
    const watched: GroupState = {
      groupIds: () => groupState.groupIds(),
      counts: (groupId) => groupState.counts(groupId),
      retryRecord: (groupId, lane, offset) => groupState.retryRecord(groupId, lane, offset),
      deadLetters: (groupId, range) => groupState.deadLetters(groupId, range),
      deadLettersByAge: (...which) => groupState.deadLettersByAge(...which),
      load: async (groupId) => {
        await this.before({ op: 'load', groupId });
        return groupState.load(groupId);
      },
      commit: async (changes) => {
        await this.before({ op: 'commit' });
        return groupState.commit(changes);
      },
    };
    const watchedSchedule: Schedule = {
      nextId: schedule.nextId,
      marks: schedule.marks,
      read: (range) => schedule.read(range),
      has: (scheduleId) => schedule.has(scheduleId),
      counts: () => schedule.counts(),
      promotedFrom: (lane, offset) => schedule.promotedFrom(lane, offset),
      commit: async (changes) => {
        await this.before({ op: changes.some(({ kind }) => kind === 'unscheduled') ? 'unschedule' : 'schedule' });
        return schedule.commit(changes);
      },
    };
    const close = async (): Promise<void> => {
      await this.before({ op: 'close' });
      await store.close();
    };
    return {
      ...{ topicId, partition, epoch, receiptKey, lanes, groupState: watched, schedule: watchedSchedule, producers },
      lost: store.lost,
      ...{ timeMs: () => store.timeMs(), close },
    };
  }
}
