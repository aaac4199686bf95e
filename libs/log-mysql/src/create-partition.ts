import { randomBytes } from 'node:crypto';

import type { OpenPartitionRequest } from '@hermes/log';

import { LaneRanges } from './lane-ranges.js';
import type { LaneTable } from './lane-table.js';
import * as partitionRows from './partition-rows.js';
import type { Session } from './session.js';

/** Length of a partition's receipt key. */
const RECEIPT_KEY_BYTES = 32;

/**
 * Makes what a partition needs that was never created: lanes, unless they are kept in another store, their rows, and last
 * the row that says that it exists.
 * May be cut short and repeated, also by two owners at once. A text says what is in the way.
 */
export async function createPartition(
  session: Session,
  request: OpenPartitionRequest,
  tables: readonly LaneTable[],
  rangeRows: number,
): Promise<string | undefined> {
  for (const table of tables) {
    const inTheWay = await createLane(session, request, table, rangeRows);
    if (inTheWay !== undefined) {
      return inTheWay;
    }
    await partitionRows.insertLane(session, table.address);
  }
  await partitionRows.insert(session, request, randomBytes(RECEIPT_KEY_BYTES));
  return undefined;
}

/**
 * Makes a lane's table, or takes one over whose making was cut short: that one is empty, or has got its row since. Of
 * state alone it makes none.
 */
export async function createLane(
  session: Session,
  { stateOnly }: OpenPartitionRequest,
  table: LaneTable,
  rangeRows: number,
): Promise<string | undefined> {
  if (stateOnly === true) {
    return findRecords(session, table);
  }
  const isNew = await table.create(session, new LaneRanges(rangeRows, []).toAdd(0));
  const isEmpty = isNew || (await table.last(session)) === undefined;
  if (isEmpty || (await partitionRows.laneStates(session, table.address)).has(table.address.lane)) {
    return undefined;
  }
  return `lane ${table.address.lane} has records but no lane_state row`;
}

/** What is in the way of state alone. An empty table is one whose making was cut short. */
export async function findRecords(session: Session, table: LaneTable): Promise<string | undefined> {
  const isEmpty = (await table.ranges(session)).length === 0 || (await table.last(session)) === undefined;
  return isEmpty
    ? undefined
    : `lane ${table.address.lane} has records here, but the partition was opened for its state alone`;
}
