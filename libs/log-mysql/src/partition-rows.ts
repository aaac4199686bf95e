import type { Session } from './session.js';

export interface PartitionAddress {
  readonly topicId: number;
  readonly partition: number;
}

/** A partition as it was opened. */
export interface OpenedPartition extends PartitionAddress {
  /** There are no lanes here. */
  readonly stateOnly: boolean;
}

/** The one row that fences a partition's state. */
export interface PartitionRow {
  readonly epoch: number;
  readonly incarnation: number;
  readonly connectionId: number;
  readonly settleSeq: number;
  readonly nextScheduleId: number;
  readonly receiptKey: Uint8Array;
}

const PARTITION = 'topic_id = ? AND partition_no = ?';
const SELECT = `SELECT epoch, incarnation, connection_id, settle_seq, next_schedule_id, receipt_key
  FROM partition_state WHERE ${PARTITION}`;

export async function find(session: Session, address: PartitionAddress): Promise<PartitionRow | undefined> {
  return select(session, SELECT, address);
}

/** As `find`, once no transaction holds the row. */
export async function findLocked(session: Session, address: PartitionAddress): Promise<PartitionRow | undefined> {
  return select(session, `${SELECT} FOR UPDATE`, address);
}

/** Makes the row, of epoch 0; harmless if there is one. */
export async function insert(session: Session, address: PartitionAddress, receiptKey: Uint8Array): Promise<void> {
  await session.execute(
    `INSERT INTO partition_state
     (topic_id, partition_no, epoch, incarnation, connection_id, settle_seq, next_schedule_id, receipt_key)
     VALUES (?, ?, 0, 0, 0, 0, 1, ?) ON DUPLICATE KEY UPDATE epoch = epoch`,
    [address.topicId, address.partition, receiptKey],
  );
}

/** Takes the partition; false if an owner of this epoch or a higher one has it. */
export async function raiseEpoch(
  session: Session,
  { topicId, partition }: PartitionAddress,
  owner: { readonly epoch: number; readonly incarnation: number },
): Promise<boolean> {
  const { affected } = await session.execute(
    `UPDATE partition_state SET epoch = ?, incarnation = ?, connection_id = ? WHERE ${PARTITION} AND epoch < ?`,
    [owner.epoch, owner.incarnation, session.id, topicId, partition, owner.epoch],
  );
  return affected === 1;
}

/** Fence, order and identity in one; false if a newer owner was there. */
export async function raiseSettleSeq(
  session: Session,
  { topicId, partition, epoch }: PartitionAddress & { readonly epoch: number },
  settleSeq: number,
): Promise<boolean> {
  const { affected } = await session.execute(
    `UPDATE partition_state SET settle_seq = ? WHERE ${PARTITION} AND epoch = ? AND settle_seq = ?`,
    [settleSeq, topicId, partition, epoch, settleSeq - 1],
  );
  return affected === 1;
}

/** Says where the owner's transactions run; false if a newer owner was there. */
export async function noteConnection(
  session: Session,
  { topicId, partition, epoch }: PartitionAddress & { readonly epoch: number },
  connectionId: number,
): Promise<boolean> {
  const { affected } = await session.execute(
    `UPDATE partition_state SET connection_id = ? WHERE ${PARTITION} AND epoch = ?`,
    [connectionId, topicId, partition, epoch],
  );
  return affected === 1;
}

/** One lane's row. */
export interface LaneState {
  readonly firstOffset: number;
  /** Below it no record's schedule is still stored. */
  readonly promotionMark: number;
}

/** What is known of each lane, by its number. */
export async function laneStates(
  session: Session,
  { topicId, partition }: PartitionAddress,
): Promise<ReadonlyMap<number, LaneState>> {
  const { rows } = await session.execute(
    `SELECT lane, first_offset, snapshot_offset FROM lane_state WHERE ${PARTITION}`,
    [topicId, partition],
  );
  return new Map(
    rows.map(([lane, firstOffset, promotionMark]) => [
      Number(lane),
      { firstOffset: Number(firstOffset), promotionMark: Number(promotionMark) },
    ]),
  );
}

/** Makes a lane's row; harmless if there is one. */
export async function insertLane(
  session: Session,
  { topicId, partition, lane }: PartitionAddress & { readonly lane: number },
): Promise<void> {
  await session.execute(
    `INSERT INTO lane_state (topic_id, partition_no, lane, first_offset, snapshot_offset) VALUES (?, ?, ?, 0, 0)
     ON DUPLICATE KEY UPDATE lane = lane`,
    [topicId, partition, lane],
  );
}

export async function raiseFirstOffset(
  session: Session,
  { topicId, partition, lane }: PartitionAddress & { readonly lane: number },
  firstOffset: number,
): Promise<void> {
  await session.execute(`UPDATE lane_state SET first_offset = ? WHERE ${PARTITION} AND lane = ? AND first_offset < ?`, [
    firstOffset,
    topicId,
    partition,
    lane,
    firstOffset,
  ]);
}

async function select(
  session: Session,
  sql: string,
  { topicId, partition }: PartitionAddress,
): Promise<PartitionRow | undefined> {
  const row = (await session.execute(sql, [topicId, partition])).rows[0];
  return row === undefined
    ? undefined
    : {
        epoch: Number(row[0]),
        incarnation: Number(row[1]),
        connectionId: Number(row[2]),
        settleSeq: Number(row[3]),
        nextScheduleId: Number(row[4]),
        receiptKey: row[5] as Uint8Array,
      };
}
