import { randomBytes } from 'node:crypto';

import { type OpenPartitionRequest, RECORD_KIND } from '@hermes/log';

import type { GroupTables } from './group-tables.js';
import { LaneTable } from './lane-table.js';
import { type LanePosition, PartitionSession } from './partition-session.js';
import type { PartitionRow, PartitionTables } from './partition-tables.js';
import type { ScheduleTable } from './schedule-table.js';
import type { ShardFile } from './shard-file.js';

/** Length of a partition's receipt key. */
const RECEIPT_KEY_BYTES = 32;

export interface OpenContext {
  readonly file: ShardFile;
  readonly partitionTables: PartitionTables;
  readonly groupTables: GroupTables;
  readonly scheduleTable: ScheduleTable;
}

export type OpenResult =
  | {
      readonly kind: 'opened';
      readonly session: PartitionSession;
      readonly receiptKey: Uint8Array;
      readonly nextScheduleId: number;
      readonly promotionMarks: readonly number[];
    }
  | { readonly kind: 'epochTooLow'; readonly observed: number }
  | { readonly kind: 'dataLoss'; readonly detail: string };

/**
 * Opens a partition inside the current transaction: checks, creates what is new, raises the epoch, fences each lane that
 * it has here.
 * Any result but `opened` has written nothing that may stay: the caller rolls back.
 */
export function openPartition(context: OpenContext, request: OpenPartitionRequest, nowMs: number): OpenResult {
  const { partitionTables } = context;
  const found = partitionTables.find(request);
  if (found === undefined && request.created) {
    return { kind: 'dataLoss', detail: 'the partition was created, but its partition_state row is missing' };
  }
  const tables = openLanes(context, request, found === undefined);
  if (typeof tables === 'string') {
    return { kind: 'dataLoss', detail: tables };
  }
  const observed = highestEpoch(found, tables);
  if (observed >= request.epoch) {
    return { kind: 'epochTooLow', observed };
  }
  const receiptKey = found?.receiptKey ?? randomBytes(RECEIPT_KEY_BYTES);
  if (found === undefined) {
    partitionTables.insert(request, receiptKey);
  }
  partitionTables.raiseEpoch(request, request.epoch, request.incarnation);
  const lanes = fenceLanes(context, request, tables, nowMs);
  if (typeof lanes === 'string') {
    return { kind: 'dataLoss', detail: lanes };
  }
  const { topicId, partition, epoch, stateOnly = false } = request;
  const settleSeq = found?.settleSeq ?? 0;
  const session = new PartitionSession({ topicId, partition, epoch, settleSeq, stateOnly, lanes, ...context });
  return { kind: 'opened', session, receiptKey, ...scheduleState(context, request, found) };
}

function scheduleState(
  { partitionTables }: OpenContext,
  request: OpenPartitionRequest,
  found: PartitionRow | undefined,
): Pick<Extract<OpenResult, { kind: 'opened' }>, 'nextScheduleId' | 'promotionMarks'> {
  const states = partitionTables.laneStates(request);
  const promotionMarks = Array.from({ length: states.size }, (_, lane) => states.get(lane)?.promotionMark ?? 0);
  return { nextScheduleId: found?.nextScheduleId ?? 1, promotionMarks };
}

function highestEpoch(found: PartitionRow | undefined, tables: readonly LaneTable[]): number {
  return Math.max(found?.epoch ?? 0, ...tables.map((table) => table.last()?.epoch ?? 0));
}

/** The lanes' tables, made where they are new, and none of state alone; a text says what is missing or in the way. */
function openLanes(context: OpenContext, request: OpenPartitionRequest, isNew: boolean): LaneTable[] | string {
  const { topicId, partition } = request;
  const states = context.partitionTables.laneStates(request);
  const count = Math.max(request.lanes, ...[...states.keys()].map((lane) => lane + 1));
  const tables = Array.from({ length: count }, (_, lane) => new LaneTable(context.file, { topicId, partition, lane }));
  const open = request.stateOnly !== true ? openLaneTable : isNew ? makeLaneState : checkLaneState;
  for (const table of tables) {
    const wrong = open(context, table, states.has(table.address.lane));
    if (wrong !== undefined) {
      return wrong;
    }
  }
  if (!isNew && states.size === 0) {
    return 'partition_state has a row, but lane_state has none';
  }
  return request.stateOnly === true ? [] : tables;
}

function openLaneTable(context: OpenContext, table: LaneTable, known: boolean): string | undefined {
  if (known && !table.exists()) {
    return `lane ${table.address.lane} has a lane_state row but no table: it is lost, or kept in another store`;
  }
  return known ? undefined : adoptLane(context, table);
}

/** A lane that a topic got since is known from its first mark on: its log is made before. */
function makeLaneState(context: OpenContext, table: LaneTable, known: boolean): string | undefined {
  const inTheWay = checkLaneState(context, table);
  if (inTheWay === undefined && !known) {
    context.partitionTables.insertLane(table.address);
  }
  return inTheWay;
}

/** An empty table is one whose making was cut short. */
function checkLaneState(_context: OpenContext, table: LaneTable): string | undefined {
  return table.exists() && table.last() !== undefined
    ? `lane ${table.address.lane} has records here, but the partition was opened for its state alone`
    : undefined;
}

/** Table first, then row: a table without a row is one whose making was cut short, and is empty. */
function adoptLane(context: OpenContext, table: LaneTable): string | undefined {
  if (!table.exists()) {
    table.create();
  } else if (table.last() !== undefined) {
    return `lane ${table.address.lane} has records but no lane_state row`;
  }
  context.partitionTables.insertLane(table.address);
  return undefined;
}

function fenceLanes(
  context: OpenContext,
  request: OpenPartitionRequest,
  tables: readonly LaneTable[],
  nowMs: number,
): LanePosition[] | string {
  const states = context.partitionTables.laneStates(request);
  const positions: LanePosition[] = [];
  for (const table of tables) {
    const { firstOffset = 0 } = states.get(table.address.lane) ?? {};
    const last = table.last();
    if ((last?.offset ?? -1) < firstOffset && firstOffset > 0) {
      return `lane ${table.address.lane} ends below its first offset ${firstOffset}`;
    }
    const floor = context.groupTables.highestFloor(table.address);
    positions.push(fenceLane(table, { firstOffset, floor, epoch: request.epoch, nowMs }));
  }
  return positions;
}

/**
 * The fence stands one above the last record. If groups have settled beyond the log's end (records lost in a
 * restore), a second one stands above their floor, so that no offset ever names two messages.
 */
function fenceLane(
  table: LaneTable,
  at: { firstOffset: number; floor: number; epoch: number; nowMs: number },
): LanePosition {
  const last = table.last();
  const lastAppendedAtMs = Math.max(at.nowMs, last?.appendedAtMs ?? 0);
  const fence = (last?.offset ?? -1) + 1;
  table.insertMark(RECORD_KIND.fence, fence, at.epoch, lastAppendedAtMs);
  if (at.floor > fence) {
    table.insertMark(RECORD_KIND.fence, at.floor, at.epoch, lastAppendedAtMs);
  }
  return { table, firstOffset: at.firstOffset, nextOffset: Math.max(fence, at.floor) + 1, lastAppendedAtMs };
}
