import {
  type CommitOutcome,
  logIsElsewhere,
  type Schedule,
  type ScheduleChange,
  type ScheduledRecord,
  type ScheduleRange,
} from '@hermes/log';

import type { PartitionCalls } from './partition-calls.js';
import type { OpenAnswer } from './shard-protocol.js';
import { definite } from './write-outcome.js';

/** The schedules of an embedded partition. */
export class EmbeddedSchedule implements Schedule {
  readonly nextId: number;
  readonly marks: readonly number[];
  readonly #calls: PartitionCalls;

  constructor(calls: PartitionCalls, opened: Extract<OpenAnswer, { kind: 'opened' }>) {
    this.#calls = calls;
    this.nextId = opened.nextScheduleId;
    this.marks = opened.promotionMarks;
  }

  async commit(changes: readonly ScheduleChange[]): Promise<CommitOutcome> {
    const { answer } = await this.#calls.write({ op: 'schedule', changes }, []);
    return answer.kind === 'committed' ? { kind: 'committed' } : definite(answer);
  }

  read(range: ScheduleRange): Promise<readonly ScheduledRecord[]> {
    return this.#calls.call('readSchedule', { range });
  }

  has(scheduleId: number): Promise<boolean> {
    return this.#calls.call('hasSchedule', { scheduleId });
  }

  counts(): Promise<readonly number[]> {
    return this.#calls.call('scheduleCounts', {});
  }

  promotedFrom(lane: number, offset: number): Promise<readonly number[]> {
    const { stateOnly } = this.#calls;
    return stateOnly ? Promise.reject(logIsElsewhere(this.#calls)) : this.#calls.call('promotedFrom', { lane, offset });
  }
}
