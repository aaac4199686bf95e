import type { DeadLetterPlace, GroupChange, GroupSnapshot, LaneCursor, RetryEntry } from '@hermes/delivery';
import {
  countsByLane,
  decodeHeld,
  decodeRanges,
  encodeHeld,
  encodeRanges,
  type GroupCounts,
  StoreError,
} from '@hermes/log';

import { type DeadLetterChange, type GroupPlan, planSteps, type RetryChange, type SingleChange } from './group-plan.js';
import { GROUP_SQL } from './group-sql.js';
import { type LaneAddress, laneTableName } from './lane-table.js';
import { fittingRows } from './page-size.js';
import type { OpenedPartition, PartitionAddress } from './partition-rows.js';
import type { Session, SqlValue } from './session.js';

/** Bytes of records in one statement, far below what a packet takes; a single record may be larger. */
const STATEMENT_BYTES_MAX = 1024 * 1024;

export async function groupIds(session: Session, { topicId, partition }: PartitionAddress): Promise<number[]> {
  const { rows } = await session.execute(GROUP_SQL.groupIds, [topicId, partition]);
  return rows.map(([groupId]) => Number(groupId));
}

export async function load(
  session: Session,
  { topicId, partition, stateOnly }: OpenedPartition,
  groupId: number,
): Promise<GroupSnapshot | undefined> {
  const { rows } = await session.execute(GROUP_SQL.cursors, [topicId, partition, groupId]);
  const first = rows[0];
  if (first === undefined) {
    return undefined;
  }
  const retries = await session.execute(GROUP_SQL.retries, [stateOnly ? 1 : 0, topicId, partition, groupId]);
  const [, , , consumerEpoch, token, generation] = first.slice(0, 6).map(Number) as [0, 0, 0, number, number, number];
  return {
    groupId,
    consumerEpoch,
    token,
    generation,
    lanes: rows.map(toCursor),
    retries: retries.rows.map(toRetry),
    inFlight: decodeHeld(first[6] as string | null),
  };
}

export async function counts(
  session: Session,
  { topicId, partition }: PartitionAddress,
  groupId: number,
): Promise<GroupCounts> {
  const retries = await session.execute(GROUP_SQL.retryCount, [topicId, partition, groupId]);
  const dead = await session.execute(GROUP_SQL.deadLetterCounts, [topicId, partition, groupId]);
  const byLane = dead.rows.map(([lane, count]) => ({ lane: Number(lane), count: Number(count) }));
  return { retries: Number(retries.rows[0]?.[0] ?? 0), deadLetters: countsByLane(byLane) };
}

/** One above the highest offset that any group has settled in the lane; 0 if there is none. */
export async function highestFloor(session: Session, { topicId, partition, lane }: LaneAddress): Promise<number> {
  const { rows } = await session.execute(GROUP_SQL.laneFloors, [topicId, partition, lane]);
  const tops = rows.map(([floor, ranges]) => {
    const settled = decodeRanges(Number(floor), ranges as Uint8Array);
    return settled.at(-1)?.to ?? Number(floor);
  });
  return Math.max(0, ...tops);
}

/** Writes the changes in their order, inside a fenced transaction. */
export async function write(
  session: Session,
  address: OpenedPartition,
  changes: readonly GroupChange[],
): Promise<void> {
  for (const step of planSteps(changes)) {
    await (step.kind === 'plan' ? writePlan(session, address, step.plan) : writeSingle(session, address, step));
  }
}

async function writeSingle(session: Session, address: OpenedPartition, change: SingleChange): Promise<void> {
  const group = [address.topicId, address.partition, change.groupId];
  switch (change.kind) {
    case 'created':
      for (const { lane, floor, settled } of change.lanes) {
        await session.execute(GROUP_SQL.insertCursor, [...group, lane, floor, encodeRanges(floor, settled)]);
      }
      break;
    case 'deleted':
      await session.execute(GROUP_SQL.deleteCursors, group);
      break;
    case 'redriven':
      await session.execute(GROUP_SQL.redrive, [change.dueAtMs, ...group, ...placeColumns(change.place)]);
      await session.execute(GROUP_SQL.deadLetterDone, [...group, ...placeColumns(change.place)]);
      break;
    case 'deadLetterDone':
      await session.execute(GROUP_SQL.deadLetterDone, [...group, ...placeColumns(change.place)]);
      break;
    case 'keepRecords': {
      const table = laneTableName({ ...address, lane: change.lane });
      await session.execute(address.stateOnly ? GROUP_SQL.detach : GROUP_SQL.keepRecords(table), [
        ...group,
        change.lane,
        change.from,
        change.to,
      ]);
      break;
    }
    case 'inFlight':
      await session.execute(GROUP_SQL.inFlight, [encodeHeld(change.held), ...group]);
      break;
    case 'seek':
      for (const cursor of change.lanes) {
        await moveCursor(session, address, change.groupId, cursor);
        await session.execute(GROUP_SQL.dropRetries, [...group, cursor.lane, cursor.floor]);
      }
      await session.execute(GROUP_SQL.seekGeneration, [change.generation, ...group]);
      break;
  }
}

const placeColumns = ({ lane, offset, generation }: DeadLetterPlace): number[] => [lane, offset, generation];

/** Whether there are rows of groups without a cursor. */
export async function hasOrphans(session: Session, address: PartitionAddress): Promise<boolean> {
  return (await findOrphan(session, address)) !== undefined;
}

/** Deletes some rows of groups without a cursor, inside a fenced transaction; how many. */
export async function sweep(session: Session, address: PartitionAddress): Promise<number> {
  const orphan = await findOrphan(session, address);
  if (orphan === undefined) {
    return 0;
  }
  return (await session.execute(orphan.remove, [address.topicId, address.partition, orphan.groupId])).affected;
}

/** A group without a cursor that has rows, and how to delete some of them. */
async function findOrphan(
  session: Session,
  address: PartitionAddress,
): Promise<{ readonly groupId: number; readonly remove: string } | undefined> {
  const known = new Set(await groupIds(session, address));
  const tables = [
    [GROUP_SQL.retryGroups, GROUP_SQL.sweepRetries],
    [GROUP_SQL.deadLetterGroups, GROUP_SQL.sweepDeadLetters],
  ] as const;
  for (const [groups, remove] of tables) {
    const { rows } = await session.execute(groups, [address.topicId, address.partition]);
    const groupId = rows.map(([id]) => Number(id)).find((id) => !known.has(id));
    if (groupId !== undefined) {
      return { groupId, remove };
    }
  }
  return undefined;
}

/** Dead letters first: they may copy what a retry's row holds. */
async function writePlan(session: Session, address: OpenedPartition, plan: GroupPlan): Promise<void> {
  const { topicId, partition } = address;
  for (const deadLetter of plan.deadLetters) {
    await insertDeadLetter(session, address, deadLetter);
  }
  await writeRetries(session, address, [...plan.retries.values()]);
  for (const { groupId, value } of plan.cursors.values()) {
    await moveCursor(session, address, groupId, value);
  }
  for (const [groupId, { consumerEpoch, token }] of plan.holders) {
    await session.execute(GROUP_SQL.holder, [consumerEpoch, token, topicId, partition, groupId]);
  }
}

async function writeRetries(
  session: Session,
  { topicId, partition }: PartitionAddress,
  changes: readonly RetryChange[],
): Promise<void> {
  const gone = changes.filter(({ entry }) => entry === undefined);
  if (gone.length > 0) {
    const keys = JSON.stringify(gone.map(({ groupId, lane, offset }) => [groupId, lane, offset]));
    await session.execute(GROUP_SQL.deleteRetries, [keys, topicId, partition]);
  }
  const kept = changes.flatMap(({ groupId, entry, record }) =>
    entry === undefined ? [] : [{ columns: retryColumns(groupId, entry), record }],
  );
  const plain = kept.filter(({ record }) => record === undefined);
  if (plain.length > 0) {
    const rows = JSON.stringify(plain.map(({ columns }) => columns));
    await session.execute(GROUP_SQL.upsertRetries, [topicId, partition, rows]);
  }
  for (const { json, records } of recordedRetries(kept)) {
    await session.execute(GROUP_SQL.upsertRetriesWithRecords, [topicId, partition, records, json]);
  }
}

/** Rows that come with records, as many to a statement as its bytes allow: their columns, and where each record stands. */
function* recordedRetries(
  rows: readonly { readonly columns: readonly (number | string)[]; readonly record: Uint8Array | undefined }[],
): Iterable<{ readonly json: string; readonly records: Uint8Array }> {
  let rest = rows.flatMap(({ columns, record }) => (record === undefined ? [] : [{ columns, record }]));
  while (rest.length > 0) {
    const count = fittingRows(
      rest.map(({ record }) => record.length),
      STATEMENT_BYTES_MAX,
    );
    let start = 1;
    const json = rest.slice(0, count).map(({ columns, record }) => {
      start += record.length;
      return [...columns, start - record.length, record.length];
    });
    yield { json: JSON.stringify(json), records: Buffer.concat(rest.slice(0, count).map(({ record }) => record)) };
    rest = rest.slice(count);
  }
}

function retryColumns(groupId: number, entry: RetryEntry): (number | string)[] {
  const { lane, offset, dueAtMs, attempts, strikes, keyHash, reason, generation } = entry;
  return [groupId, lane, offset, dueAtMs, attempts, strikes, keyHash, wellFormed(reason), generation];
}

async function moveCursor(
  session: Session,
  { topicId, partition }: PartitionAddress,
  groupId: number,
  { lane, floor, settled, skipped }: LaneCursor,
): Promise<void> {
  const ranges = encodeRanges(floor, settled);
  const moved = await session.execute(GROUP_SQL.moveCursor, [
    floor,
    ranges,
    skipped ?? null,
    topicId,
    partition,
    groupId,
    lane,
  ]);
  if (moved.affected === 0) {
    // A lane that is newer than the group. A group that was deleted meanwhile has no row to copy, and stays deleted.
    await session.execute(GROUP_SQL.addCursor, [lane, floor, ranges, topicId, partition, groupId]);
  }
}

/** With its record, so that retention of the lane does not take it. Once: a repeat finds the row. */
async function insertDeadLetter(
  session: Session,
  address: OpenedPartition,
  { groupId, entry, record }: DeadLetterChange,
): Promise<void> {
  const { topicId, partition } = address;
  const { lane, offset, generation, attempts, cause, reason, keyHash, diedAtMs } = entry;
  const group: SqlValue[] = [topicId, partition, groupId];
  const row = [...group, lane, offset, generation, attempts, cause, wellFormed(reason), keyHash, diedAtMs];
  const isThere = async (sql: string, values: SqlValue[]): Promise<boolean> => {
    const { affected, rows } = await session.execute(sql, values);
    return affected > 0 || rows.length > 0;
  };
  const isFirst = (): Promise<boolean> => {
    if (record !== undefined) {
      return isThere(GROUP_SQL.insertDeadLetter, [...row, record]);
    }
    const sql = GROUP_SQL.insertDeadLetterOfLog(laneTableName({ ...address, lane }));
    return address.stateOnly ? Promise.resolve(false) : isThere(sql, [...row, offset]);
  };
  const stored =
    (await isFirst()) ||
    (await isThere(GROUP_SQL.insertDeadLetterOfRetry, [...row, ...group, lane, offset])) ||
    (await isThere(GROUP_SQL.hasDeadLetter, [...group, lane, offset, generation]));
  if (!stored) {
    const message = `the record of dead letter ${topicId}/${partition}/${lane}/${offset} is missing`;
    throw new StoreError('dataLoss', message, { details: { topicId, partition, lane, offset } });
  }
}

function toCursor(row: readonly unknown[]): LaneCursor {
  const floor = Number(row[1]);
  const settled = decodeRanges(floor, row[2] as Uint8Array);
  return { lane: Number(row[0]), floor, settled, skipped: Number(row[7]) };
}

function toRetry(row: readonly unknown[]): RetryEntry {
  const [lane, offset, dueAtMs, attempts, strikes, keyHash] = row.map(Number) as [0, 0, 0, 0, 0, 0];
  const [reason, generation] = [String(row[6]), Number(row[7])];
  const retry = { lane, offset, dueAtMs, attempts, strikes, keyHash, reason, generation };
  return Number(row[8]) === 1 ? { ...retry, hasRecord: true } : retry;
}

/** Half of a surrogate pair is no text to a server. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
