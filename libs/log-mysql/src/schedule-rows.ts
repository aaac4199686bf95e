import { countsByLane, type ScheduleChange, type ScheduledRecord, type ScheduleRange } from '@hermes/log';

import { type LaneAddress, laneTableName } from './lane-table.js';
import { fittingRows } from './page-size.js';
import type { PartitionAddress } from './partition-rows.js';
import type { Session } from './session.js';

const PARTITION = 'topic_id = ? AND partition_no = ?';
const AFTER = `${PARTITION} AND due_at >= ? AND NOT (due_at = ? AND schedule_id <= ?)
  ORDER BY due_at, schedule_id LIMIT ?`;

/** Ids of one statement's deletes: one prepared statement for any number of them. */
const SQL = {
  insert: `INSERT INTO schedule (topic_id, partition_no, schedule_id, due_at, lane, record, producer_id, sequence,
    expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  raiseNextId: `UPDATE partition_state SET next_schedule_id = GREATEST(next_schedule_id, ?) WHERE ${PARTITION}`,
  remove: `DELETE schedule FROM JSON_TABLE(?, '$[*]' COLUMNS (i BIGINT UNSIGNED PATH '$')) AS j
    STRAIGHT_JOIN schedule ON schedule.schedule_id = j.i WHERE ${PARTITION}`,
  // A lane of a partition without a log of its own may be new.
  mark: `INSERT INTO lane_state (topic_id, partition_no, lane, first_offset, snapshot_offset) VALUES (?, ?, ?, 0, ?)
    ON DUPLICATE KEY UPDATE snapshot_offset = VALUES(snapshot_offset)`,
  // Sizes first: records may be large, and a page holds only so many bytes of them.
  sizes: `SELECT schedule_id, LENGTH(record) FROM schedule WHERE ${AFTER}`,
  page: `SELECT schedule_id, due_at, lane, record, producer_id, sequence, expires_at FROM schedule WHERE ${AFTER}`,
  has: `SELECT 1 FROM schedule WHERE ${PARTITION} AND schedule_id = ?`,
  counts: `SELECT lane, COUNT(*) FROM schedule WHERE ${PARTITION} GROUP BY lane`,
} as const;

/** Writes the changes in their order, inside a fenced transaction. */
export async function write(
  session: Session,
  { topicId, partition }: PartitionAddress,
  changes: readonly ScheduleChange[],
): Promise<void> {
  let nextId = 0;
  for (const change of changes) {
    switch (change.kind) {
      case 'scheduled': {
        const { scheduleId, dueAtMs, lane, record, identity, expiresAtMs } = change.entry;
        const { producerId, sequence } = identity ?? { producerId: null, sequence: null };
        const row = [topicId, partition, scheduleId, dueAtMs, lane, record, producerId, sequence, expiresAtMs ?? null];
        await session.execute(SQL.insert, row);
        nextId = Math.max(nextId, scheduleId + 1);
        break;
      }
      case 'unscheduled':
        await session.execute(SQL.remove, [JSON.stringify(change.scheduleIds), topicId, partition]);
        break;
      case 'mark':
        await session.execute(SQL.mark, [topicId, partition, change.mark.lane, change.mark.offset]);
    }
  }
  if (nextId > 0) {
    await session.execute(SQL.raiseNextId, [nextId, topicId, partition]);
  }
}

export async function read(
  session: Session,
  { topicId, partition }: PartitionAddress,
  { after, maxRecords, maxBytes }: ScheduleRange,
): Promise<ScheduledRecord[]> {
  const { dueAtMs, scheduleId } = after ?? { dueAtMs: Number.MIN_SAFE_INTEGER, scheduleId: 0 };
  const range = [topicId, partition, dueAtMs, dueAtMs, scheduleId];
  const sizes = await session.execute(SQL.sizes, [...range, maxRecords]);
  const count = fittingRows(
    sizes.rows.map(([, size]) => Number(size)),
    maxBytes,
  );
  return count === 0 ? [] : (await session.execute(SQL.page, [...range, count])).rows.map(toRecord);
}

export async function has(
  session: Session,
  { topicId, partition }: PartitionAddress,
  scheduleId: number,
): Promise<boolean> {
  return (await session.execute(SQL.has, [topicId, partition, scheduleId])).rows.length > 0;
}

export async function counts(session: Session, { topicId, partition }: PartitionAddress): Promise<number[]> {
  const { rows } = await session.execute(SQL.counts, [topicId, partition]);
  return countsByLane(rows.map(([lane, count]) => ({ lane: Number(lane), count: Number(count) })));
}

/** Asked once per opening, so as text: preparing it would be one more way to the server. */
export async function promotedFrom(session: Session, address: LaneAddress, offset: number): Promise<number[]> {
  const { rows } = await session.query(
    `SELECT schedule_id FROM ${laneTableName(address)}
     WHERE log_offset >= ${Math.floor(offset)} AND schedule_id IS NOT NULL ORDER BY log_offset`,
  );
  return rows.map(([id]) => Number(id));
}

function toRecord(row: readonly unknown[]): ScheduledRecord {
  const [scheduleId, dueAtMs, lane] = row.map(Number) as [number, number, number];
  const [, , , record, producerId, sequence, expiresAtMs] = row;
  return {
    ...{ scheduleId, dueAtMs, lane, record: record as Uint8Array },
    ...(producerId === null ? {} : { identity: { producerId: Number(producerId), sequence: Number(sequence) } }),
    ...(expiresAtMs === null ? {} : { expiresAtMs: Number(expiresAtMs) }),
  };
}
