import {
  type CommitOutcome,
  logIsElsewhere,
  type OpeningGate,
  type Schedule,
  type ScheduleChange,
  type ScheduledRecord,
  type ScheduleRange,
} from '@hermes/log';

import type { ConnectionSet } from './connection-set.js';
import type { FencedWriter } from './fenced-writer.js';
import { readFault } from './mysql-fault.js';
import type { OpenedPartition } from './partition-rows.js';
import * as scheduleRows from './schedule-rows.js';
import type { Session } from './session.js';

export interface MysqlScheduleOptions {
  readonly address: OpenedPartition;
  readonly fenced: FencedWriter;
  readonly reads: ConnectionSet;
  readonly gate: OpeningGate;
  readonly nextId: number;
  readonly marks: readonly number[];
}

/** The schedules of a partition on MySQL. */
export class MysqlSchedule implements Schedule {
  readonly nextId: number;
  readonly marks: readonly number[];
  readonly #options: MysqlScheduleOptions;

  constructor(options: MysqlScheduleOptions) {
    this.nextId = options.nextId;
    this.marks = options.marks;
    this.#options = options;
  }

  async commit(changes: readonly ScheduleChange[]): Promise<CommitOutcome> {
    const { gate, fenced, address } = this.#options;
    if (gate.refusal !== undefined) {
      return { kind: 'refused', error: gate.refusal };
    }
    return gate.run(() => fenced.write((session) => scheduleRows.write(session, address, changes)));
  }

  read(range: ScheduleRange): Promise<readonly ScheduledRecord[]> {
    return this.#read((session) => scheduleRows.read(session, this.#options.address, range));
  }

  has(scheduleId: number): Promise<boolean> {
    return this.#read((session) => scheduleRows.has(session, this.#options.address, scheduleId));
  }

  counts(): Promise<readonly number[]> {
    return this.#read((session) => scheduleRows.counts(session, this.#options.address));
  }

  promotedFrom(lane: number, offset: number): Promise<readonly number[]> {
    const { address } = this.#options;
    return address.stateOnly
      ? Promise.reject(logIsElsewhere(address))
      : this.#read((session) => scheduleRows.promotedFrom(session, { ...address, lane }, offset));
  }

  #read<T>(job: (session: Session) => Promise<T>): Promise<T> {
    const { gate, reads } = this.#options;
    return gate.run(async () => {
      try {
        return await reads.run(job);
      } catch (error) {
        throw readFault(error, 'read schedules');
      }
    });
  }
}
