import { AppendBatch } from '@hermes/log';

import type { GroupTables } from './group-tables.js';
import type { LaneTable } from './lane-table.js';
import type { PartitionTables } from './partition-tables.js';
import type { ScheduleTable } from './schedule-table.js';
import type { WriteAnswer, WriteRequest } from './shard-protocol.js';
import { isDuplicateKey } from './sqlite-fault.js';

/** Where a lane stands; changed inside a transaction and put back if that is rolled back. */
export interface LanePosition {
  readonly table: LaneTable;
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly lastAppendedAtMs: number;
}

export interface PartitionSessionOptions {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  readonly settleSeq: number;
  /** There are no lanes here. */
  readonly stateOnly: boolean;
  readonly lanes: readonly LanePosition[];
  readonly partitionTables: PartitionTables;
  readonly groupTables: GroupTables;
  readonly scheduleTable: ScheduleTable;
}

/** Thrown inside a savepoint when a newer owner is found; never leaves the shard. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/**
 * One opening of a partition at one epoch, on the worker's side.
 *
 * It writes at the offsets and the settle_seq that it knows. A newer opening has moved both, so that a stale one
 * meets a duplicate key or changes no row: nothing else is asked on the write path.
 */
export class PartitionSession {
  readonly topicId: number;
  readonly partition: number;
  readonly epoch: number;
  readonly stateOnly: boolean;
  #settleSeq: number;
  #lanes: readonly LanePosition[];
  #committed: { readonly settleSeq: number; readonly lanes: readonly LanePosition[] };
  readonly #partitionTables: PartitionTables;
  readonly #groupTables: GroupTables;
  readonly #scheduleTable: ScheduleTable;

  constructor(options: PartitionSessionOptions) {
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.epoch = options.epoch;
    this.stateOnly = options.stateOnly;
    this.#settleSeq = options.settleSeq;
    this.#lanes = options.lanes;
    this.#partitionTables = options.partitionTables;
    this.#groupTables = options.groupTables;
    this.#scheduleTable = options.scheduleTable;
    this.#committed = { settleSeq: this.#settleSeq, lanes: this.#lanes };
  }

  get lanes(): readonly LanePosition[] {
    return this.#lanes;
  }

  lane(lane: number): LanePosition {
    const position = this.#lanes[lane];
    if (position === undefined) {
      throw new RangeError(`partition ${this.topicId}/${this.partition} has no lane ${lane}`);
    }
    return position;
  }

  /** What this session has written is durable. */
  commit(): void {
    this.#committed = { settleSeq: this.#settleSeq, lanes: this.#lanes };
  }

  /** What this session has written since the last commit was rolled back. */
  rollback(): void {
    this.#settleSeq = this.#committed.settleSeq;
    this.#lanes = this.#committed.lanes;
  }

  /** Does one write inside the current transaction. Throws FencedError, or what SQLite throws. */
  write(request: WriteRequest): WriteAnswer {
    switch (request.op) {
      case 'append':
        this.#append(request.lane, new AppendBatch(request.appendId, request.count, request.buffer), request.nowMs);
        return { kind: 'appended' };
      case 'commit':
        this.#raiseSettleSeq();
        this.#groupTables.write(this, request.changes);
        return { kind: 'committed' };
      case 'schedule':
        this.#raiseSettleSeq();
        this.#scheduleTable.write(this, request.changes);
        return { kind: 'committed' };
      case 'saveProducers':
        this.#raiseSettleSeq();
        this.#partitionTables.saveProducers(this, request.snapshot);
        return { kind: 'committed' };
      case 'truncate':
        this.#raiseSettleSeq();
        this.#truncate(request.lane, request.offset);
        return { kind: 'committed' };
    }
  }

  #append(lane: number, batch: AppendBatch, nowMs: number): void {
    const position = this.lane(lane);
    const appendedAtMs = Math.max(nowMs, position.lastAppendedAtMs);
    for (let index = 0; index < batch.count; index += 1) {
      batch.offsets[index] = position.nextOffset + index;
    }
    batch.appendedAtMs.fill(appendedAtMs);
    try {
      position.table.insert(batch, this.epoch);
    } catch (error) {
      if (isDuplicateKey(error)) {
        throw new FencedError();
      }
      throw error;
    }
    this.#move(lane, { nextOffset: position.nextOffset + batch.count, lastAppendedAtMs: appendedAtMs });
  }

  #raiseSettleSeq(): void {
    this.#settleSeq += 1;
    if (!this.#partitionTables.raiseSettleSeq(this, this.#settleSeq)) {
      throw new FencedError();
    }
  }

  /** Moves the logical start, never above the last record; the rows are swept later. */
  #truncate(lane: number, offset: number): void {
    const position = this.lane(lane);
    const firstOffset = Math.min(offset, position.nextOffset - 1);
    if (firstOffset > position.firstOffset) {
      this.#partitionTables.raiseFirstOffset(position.table.address, firstOffset);
      this.#move(lane, { firstOffset });
    }
  }

  #move(lane: number, to: Partial<LanePosition>): void {
    this.#lanes = this.#lanes.map((position, index) => (index === lane ? { ...position, ...to } : position));
  }
}
