import { randomBytes } from 'node:crypto';

import type { OpenPartitionRequest } from '@hermes/log';

import { LaneRanges } from './lane-ranges.js';
import type { LaneTable } from './lane-table.js';
import * as partitionRows from './partition-rows.js';
import type { Session } from './session.js';

/** Length of a partition's receipt key. */
const RECEIPT_KEY_BYTES = 32;

/**
 * Makes what a partition needs that was never created: lanes, their rows, and last the row that says that it exists.
 * May be cut short and repeated, also by two owners at once. A text says what is in the way.
 */
export async function createPartition(
  session: Session,
  request: OpenPartitionRequest,
  tables: readonly LaneTable[],
  rangeRows: number,
): Promise<string | undefined> {
  for (const table of tables) {
    const missing = await createLane(session, table, rangeRows);
    if (missing !== undefined) {
      return missing;
    }
    await partitionRows.insertLane(session, table.address);
  }
  await partitionRows.insert(session, request, randomBytes(RECEIPT_KEY_BYTES));
  return undefined;
}

/** Makes a lane's table, or takes one over whose making was cut short: that one is empty, or has got its row since. */
export async function createLane(session: Session, table: LaneTable, rangeRows: number): Promise<string | undefined> {
  const isNew = await table.create(session, new LaneRanges(rangeRows, []).toAdd(0));
  const isEmpty = isNew || (await table.last(session)) === undefined;
  if (isEmpty || (await partitionRows.laneStates(session, table.address)).has(table.address.lane)) {
    return undefined;
  }
  return `lane ${table.address.lane} has records but no lane_state row`;
}
