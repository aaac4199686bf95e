import type Database from 'better-sqlite3';

import type { LaneAddress } from './lane-table.js';
import type { ShardFile } from './shard-file.js';

export interface PartitionAddress {
  readonly topicId: number;
  readonly partition: number;
}

/** The one row that fences a partition's state. */
export interface PartitionRow {
  readonly epoch: number;
  readonly settleSeq: number;
  readonly nextScheduleId: number;
  readonly receiptKey: Uint8Array;
}

/** One lane's row. */
export interface LaneState {
  readonly firstOffset: number;
  /** Below it no record's schedule is still stored. */
  readonly promotionMark: number;
}

/** partition_state, lane_state and producer. */
export class PartitionTables {
  readonly #writer: Database.Database;
  readonly #raiseSettleSeq: Database.Statement;
  readonly #raiseFirstOffset: Database.Statement;

  constructor(file: ShardFile) {
    this.#writer = file.writer;
    this.#raiseSettleSeq = this.#writer.prepare(
      `UPDATE partition_state SET settle_seq = ?
       WHERE topic_id = ? AND partition = ? AND epoch = ? AND settle_seq = ?`,
    );
    this.#raiseFirstOffset = this.#writer.prepare(
      'UPDATE lane_state SET first_offset = ? WHERE topic_id = ? AND partition = ? AND lane = ? AND first_offset < ?',
    );
  }

  find({ topicId, partition }: PartitionAddress): PartitionRow | undefined {
    return this.#writer
      .prepare(
        `SELECT epoch, settle_seq AS settleSeq, next_schedule_id AS nextScheduleId, receipt_key AS receiptKey
         FROM partition_state WHERE topic_id = ? AND partition = ?`,
      )
      .get(topicId, partition) as PartitionRow | undefined;
  }

  list(): PartitionAddress[] {
    return this.#writer
      .prepare('SELECT topic_id AS topicId, partition FROM partition_state')
      .all() as PartitionAddress[];
  }

  insert(address: PartitionAddress, receiptKey: Uint8Array): void {
    this.#writer
      .prepare(
        `INSERT INTO partition_state (topic_id, partition, epoch, incarnation, settle_seq, receipt_key)
         VALUES (?, ?, 0, 0, 0, ?)`,
      )
      .run(address.topicId, address.partition, receiptKey);
  }

  raiseEpoch({ topicId, partition }: PartitionAddress, epoch: number, incarnation: number): void {
    this.#writer
      .prepare(
        'UPDATE partition_state SET epoch = ?, incarnation = ? WHERE topic_id = ? AND partition = ? AND epoch < ?',
      )
      .run(epoch, BigInt(incarnation), topicId, partition, epoch);
  }

  /** Fence, order and identity in one; false if a newer owner was there. */
  raiseSettleSeq(owner: PartitionAddress & { epoch: number }, settleSeq: number): boolean {
    const { topicId, partition, epoch } = owner;
    return this.#raiseSettleSeq.run(settleSeq, topicId, partition, epoch, settleSeq - 1).changes === 1;
  }

  /** What is known of each lane, by its number. */
  laneStates({ topicId, partition }: PartitionAddress): Map<number, LaneState> {
    const rows = this.#writer
      .prepare(
        `SELECT lane, first_offset AS firstOffset, snapshot_offset AS promotionMark
         FROM lane_state WHERE topic_id = ? AND partition = ?`,
      )
      .all(topicId, partition) as (LaneState & { lane: number })[];
    return new Map(rows.map(({ lane, ...state }) => [lane, state]));
  }

  insertLane({ topicId, partition, lane }: LaneAddress): void {
    this.#writer
      .prepare('INSERT INTO lane_state (topic_id, partition, lane, first_offset) VALUES (?, ?, ?, 0)')
      .run(topicId, partition, lane);
  }

  raiseFirstOffset({ topicId, partition, lane }: LaneAddress, firstOffset: number): void {
    this.#raiseFirstOffset.run(firstOffset, topicId, partition, lane, firstOffset);
  }

  /** The last snapshot of what is known of producers. */
  producers({ topicId, partition }: PartitionAddress): Uint8Array | undefined {
    return this.#writer
      .prepare('SELECT snapshot FROM producer WHERE topic_id = ? AND partition = ?')
      .pluck()
      .get(topicId, partition) as Uint8Array | undefined;
  }

  saveProducers({ topicId, partition }: PartitionAddress, snapshot: Uint8Array): void {
    this.#writer
      .prepare('REPLACE INTO producer (topic_id, partition, snapshot) VALUES (?, ?, ?)')
      .run(topicId, partition, snapshot);
  }

  remove({ topicId, partition }: PartitionAddress): void {
    for (const table of ['partition_state', 'lane_state', 'producer']) {
      this.#writer.prepare(`DELETE FROM ${table} WHERE topic_id = ? AND partition = ?`).run(topicId, partition);
    }
  }
}
