import { crc32 } from 'node:zlib';

import {
  countsByLane,
  type IdentifiedPublish,
  type LaneCount,
  type PromotionMark,
  type PublishIdentity,
  type ScheduleChange,
  type ScheduledRecord,
  type ScheduleRange,
} from '@hermes/log';
import type Database from 'better-sqlite3';

import { unlessZero } from './lane-table.js';
import type { PartitionAddress } from './partition-tables.js';
import type { ShardFile } from './shard-file.js';

const PARTITION = 'topic_id = ? AND partition = ?';

/** The statements on schedule, and on what goes with it. */
const SQL = {
  insert: `INSERT INTO schedule (topic_id, partition, schedule_id, due_at, lane, record, producer_id, sequence, expires_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  raiseNextId: `UPDATE partition_state SET next_schedule_id = max(next_schedule_id, ?) WHERE ${PARTITION}`,
  remove: `DELETE FROM schedule WHERE ${PARTITION} AND schedule_id = ?`,
  // A lane of a partition without a log of its own may be new.
  mark: `INSERT INTO lane_state (topic_id, partition, lane, first_offset, snapshot_offset) VALUES (?, ?, ?, 0, ?)
         ON CONFLICT DO UPDATE SET snapshot_offset = excluded.snapshot_offset`,
  page: `SELECT schedule_id AS scheduleId, due_at AS dueAtMs, lane, record, producer_id AS producerId, sequence,
                expires_at AS expiresAtMs FROM schedule
         WHERE ${PARTITION} AND (due_at, schedule_id) > (?, ?) ORDER BY due_at, schedule_id LIMIT ?`,
  has: `SELECT 1 FROM schedule WHERE ${PARTITION} AND schedule_id = ?`,
  counts: `SELECT lane, count(*) AS count FROM schedule WHERE ${PARTITION} GROUP BY lane`,
  identifiedFrom: `SELECT producer_id AS producerId, sequence, lane, schedule_id AS scheduleId, record FROM schedule
                   WHERE ${PARTITION} AND schedule_id >= ? AND producer_id IS NOT NULL ORDER BY schedule_id LIMIT ?`,
  deleteAll: `DELETE FROM schedule WHERE rowid IN (SELECT rowid FROM schedule WHERE ${PARTITION} LIMIT ?)`,
} as const;

type ScheduleRow = Pick<ScheduledRecord, 'scheduleId' | 'dueAtMs' | 'lane' | 'record'> &
  Readonly<Record<'producerId' | 'sequence' | 'expiresAtMs', number | null>>;

type IdentifiedRow = PublishIdentity & Pick<ScheduledRecord, 'lane' | 'scheduleId' | 'record'>;

/** The messages that wait for their time. */
export class ScheduleTable {
  readonly #writer: Database.Database;
  readonly #statements = new Map<keyof typeof SQL, Database.Statement>();

  constructor(file: ShardFile) {
    this.#writer = file.writer;
  }

  /** Writes the changes in their order, inside the current transaction and already fenced. */
  write({ topicId, partition }: PartitionAddress, changes: readonly ScheduleChange[]): void {
    let nextId = 0;
    for (const change of changes) {
      switch (change.kind) {
        case 'scheduled': {
          const { scheduleId, dueAtMs, lane, record, identity, expiresAtMs } = change.entry;
          const { producerId, sequence } = identity ?? {};
          const later = [producerId, sequence, expiresAtMs].map(unlessZero);
          this.#statement('insert').run(topicId, partition, scheduleId, dueAtMs, lane, record, ...later);
          nextId = Math.max(nextId, scheduleId + 1);
          break;
        }
        case 'unscheduled':
          for (const scheduleId of change.scheduleIds) {
            this.#statement('remove').run(topicId, partition, scheduleId);
          }
          break;
        case 'mark':
          this.#mark({ topicId, partition }, change.mark);
      }
    }
    if (nextId > 0) {
      this.#statement('raiseNextId').run(nextId, topicId, partition);
    }
  }

  read({ topicId, partition }: PartitionAddress, { after, maxRecords, maxBytes }: ScheduleRange): ScheduledRecord[] {
    const found: ScheduledRecord[] = [];
    let bytes = 0;
    const from = [after?.dueAtMs ?? Number.MIN_SAFE_INTEGER, after?.scheduleId ?? 0];
    const rows = this.#statement('page').iterate(topicId, partition, ...from, maxRecords);
    for (const row of rows as IterableIterator<ScheduleRow>) {
      bytes += row.record.length;
      if (bytes > maxBytes && found.length > 0) {
        break;
      }
      found.push(toRecord(row));
    }
    return found;
  }

  has({ topicId, partition }: PartitionAddress, scheduleId: number): boolean {
    return this.#statement('has').get(topicId, partition, scheduleId) !== undefined;
  }

  counts({ topicId, partition }: PartitionAddress): number[] {
    return countsByLane(this.#statement('counts').all(topicId, partition) as LaneCount[]);
  }

  /** Publishes that may be repeated. */
  identifiedFrom(
    { topicId, partition }: PartitionAddress,
    { scheduleId, maxRecords }: { readonly scheduleId: number; readonly maxRecords: number },
  ): IdentifiedPublish[] {
    const rows = this.#statement('identifiedFrom').all(topicId, partition, scheduleId, maxRecords) as IdentifiedRow[];
    return rows.map(({ producerId, sequence, record, ...row }) => ({
      ...{ ...row, identity: { producerId, sequence }, offset: undefined, appendedAtMs: 0, checksum: crc32(record) },
    }));
  }

  /** Deletes some rows of a partition; how many. */
  deleteAll({ topicId, partition }: PartitionAddress, rowsMax: number): number {
    return this.#statement('deleteAll').run(topicId, partition, rowsMax).changes;
  }

  #mark({ topicId, partition }: PartitionAddress, { lane, offset }: PromotionMark): void {
    this.#statement('mark').run(topicId, partition, lane, offset);
  }

  #statement(name: keyof typeof SQL): Database.Statement {
    let statement = this.#statements.get(name);
    if (statement === undefined) {
      statement = this.#writer.prepare(SQL[name]);
      this.#statements.set(name, statement);
    }
    return statement;
  }
}

function toRecord({ producerId, sequence, expiresAtMs, ...row }: ScheduleRow): ScheduledRecord {
  return {
    ...row,
    ...(producerId === null || sequence === null ? {} : { identity: { producerId, sequence } }),
    ...(expiresAtMs === null ? {} : { expiresAtMs }),
  };
}
