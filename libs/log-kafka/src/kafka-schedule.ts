import type { CommitOutcome, Schedule, ScheduleChange, ScheduledRecord, ScheduleRange } from '@hermes/log';

import type { KafkaLog } from './kafka-log.js';

/** Schedules beside a log in Kafka: which of them are in the log already, the records' headers say. */
export class KafkaSchedule implements Schedule {
  readonly nextId: number;
  readonly marks: readonly number[];
  readonly #schedule: Schedule;
  readonly #lanes: readonly KafkaLog[];

  constructor(schedule: Schedule, lanes: readonly KafkaLog[]) {
    this.nextId = schedule.nextId;
    this.marks = lanes.map((_, lane) => schedule.marks[lane] ?? 0);
    this.#schedule = schedule;
    this.#lanes = lanes;
  }

  commit(changes: readonly ScheduleChange[]): Promise<CommitOutcome> {
    return this.#schedule.commit(changes);
  }

  read(range: ScheduleRange): Promise<readonly ScheduledRecord[]> {
    return this.#schedule.read(range);
  }

  has(scheduleId: number): Promise<boolean> {
    return this.#schedule.has(scheduleId);
  }

  counts(): Promise<readonly number[]> {
    return this.#schedule.counts();
  }

  async promotedFrom(lane: number, offset: number): Promise<readonly number[]> {
    const ids: number[] = [];
    for await (const { header } of this.#lanes[lane]?.scan(offset) ?? []) {
      if (header.scheduleId !== 0) {
        ids.push(header.scheduleId);
      }
    }
    return ids;
  }
}
