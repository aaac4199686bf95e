import { RECORD_KIND } from '@hermes/log';

import { ERRNO, errnoOf } from './mysql-fault.js';
import type { Session, SqlValue } from './session.js';

/** What names of lanes' tables look like. */
export const LANE_TABLE = /^t\d+_p\d+_l\d+$/;

/** Where a lane is; its table's name is built of these numbers alone. */
export interface LaneAddress {
  readonly topicId: number;
  readonly partition: number;
  readonly lane: number;
}

/** The newest row of a lane. */
export interface LastRow {
  readonly offset: number;
  readonly epoch: number;
  readonly appendedAtMs: number;
}

/** Rows looked at to guess a lane's mean record size. */
const SIZE_SAMPLE_ROWS = 64;

/**
 * The table of one lane: nothing but the primary key, so that a batch insert is one sequential write. What is asked
 * once per opening goes as text: preparing it would be one more way to the server, and a statement kept for nothing.
 */
export class LaneTable {
  readonly address: LaneAddress;
  readonly name: string;

  constructor(address: LaneAddress) {
    this.address = address;
    this.name = laneTableName(address);
  }

  /** Makes the table; false if there is one. */
  async create(session: Session, bounds: readonly number[]): Promise<boolean> {
    try {
      await session.query(`CREATE TABLE ${this.name} (
        log_offset  BIGINT UNSIGNED NOT NULL PRIMARY KEY,
        kind        TINYINT NOT NULL,
        epoch       BIGINT UNSIGNED NOT NULL,
        append_id   BIGINT UNSIGNED NOT NULL,
        appended_at BIGINT NOT NULL,
        producer_id BIGINT UNSIGNED NULL,
        sequence    BIGINT UNSIGNED NULL,
        schedule_id BIGINT UNSIGNED NULL,
        expires_at  BIGINT NULL,
        crc32       INT UNSIGNED NOT NULL,
        ref_key     VARBINARY(128) NULL,
        record      MEDIUMBLOB NOT NULL
      ) ENGINE = InnoDB PARTITION BY RANGE (log_offset) (${bounds.map(rangeClause).join(', ')})`);
      return true;
    } catch (error) {
      if (errnoOf(error) === ERRNO.tableExists) {
        return false;
      }
      throw error;
    }
  }

  /** Upper bounds of the table's ranges, ascending; none if there is no table. */
  async ranges(session: Session): Promise<number[]> {
    const { rows } = await session.query(
      `SELECT CAST(partition_description AS UNSIGNED) FROM information_schema.partitions
       WHERE table_schema = DATABASE() AND table_name = '${this.name}' ORDER BY partition_ordinal_position`,
    );
    return rows.map(([bound]) => Number(bound));
  }

  /** Adds ranges above those that there are; false if somebody else has changed them meanwhile. */
  async addRanges(session: Session, bounds: readonly number[]): Promise<boolean> {
    try {
      await session.query(`ALTER TABLE ${this.name} ADD PARTITION (${bounds.map(rangeClause).join(', ')})`);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === ERRNO.sameRangeName || errno === ERRNO.rangeNotIncreasing) {
        return false;
      }
      throw error;
    }
  }

  /** Drops the lowest range; false if somebody else has. */
  async dropRange(session: Session, bound: number): Promise<boolean> {
    try {
      await session.query(`ALTER TABLE ${this.name} DROP PARTITION ${rangeName(bound)}`);
      return true;
    } catch (error) {
      if (errnoOf(error) === ERRNO.noSuchRange) {
        return false;
      }
      throw error;
    }
  }

  /** Time of the newest row below `bound`; undefined without one. */
  async newestBelow(session: Session, bound: number): Promise<number | undefined> {
    const { rows } = await session.query(
      `SELECT appended_at FROM ${this.name} WHERE log_offset < ${bound} ORDER BY log_offset DESC LIMIT 1`,
    );
    return rows[0] === undefined ? undefined : Number(rows[0][0]);
  }

  async last(session: Session): Promise<LastRow | undefined> {
    const { rows } = await session.query(
      `SELECT log_offset, epoch, appended_at FROM ${this.name} ORDER BY log_offset DESC LIMIT 1`,
    );
    const row = rows[0] as [number, number, number] | undefined;
    return row === undefined ? undefined : { offset: row[0], epoch: row[1], appendedAtMs: row[2] };
  }

  /** A guess at the mean size of a record, from the newest. */
  async meanRecordBytes(session: Session): Promise<number> {
    const { rows } = await session.query(
      `SELECT COALESCE(AVG(bytes), 0) FROM (SELECT LENGTH(record) AS bytes FROM ${this.name}
       WHERE kind = ${RECORD_KIND.message} ORDER BY log_offset DESC LIMIT ${SIZE_SAMPLE_ROWS}) AS newest`,
    );
    return Number(rows[0]?.[0] ?? 0);
  }

  /** The first row at or above `offset`: its offset and time. */
  async timeFrom(session: Session, offset: number): Promise<{ offset: number; appendedAtMs: number } | undefined> {
    const row = await this.#first(session, 'log_offset, appended_at', 'log_offset >= ?', [offset]);
    return row === undefined ? undefined : { offset: Number(row[0]), appendedAtMs: Number(row[1]) };
  }

  /** Offset of the first message at or above `offset`. */
  async messageFrom(session: Session, offset: number): Promise<number | undefined> {
    const isMessage = `log_offset >= ? AND kind = ${RECORD_KIND.message}`;
    const row = await this.#first(session, 'log_offset', isMessage, [offset]);
    return row === undefined ? undefined : Number(row[0]);
  }

  /** Who wrote the first row of [from, to). */
  async writerOf(
    session: Session,
    from: number,
    to: number,
  ): Promise<{ readonly epoch: number; readonly appendId: number } | undefined> {
    const row = await this.#first(session, 'epoch, append_id', 'log_offset >= ? AND log_offset < ?', [from, to]);
    return row === undefined ? undefined : { epoch: Number(row[0]), appendId: Number(row[1]) };
  }

  async #first(
    session: Session,
    columns: string,
    where: string,
    values: SqlValue[],
  ): Promise<readonly unknown[] | undefined> {
    const sql = `SELECT ${columns} FROM ${this.name} WHERE ${where} ORDER BY log_offset LIMIT 1`;
    return (await session.execute(sql, values)).rows[0];
  }
}

export function laneTableName({ topicId, partition, lane }: LaneAddress): string {
  return `t${topicId}_p${partition}_l${lane}`;
}

/** A range is named by its upper bound, and a bound is never used again. */
function rangeName(bound: number): string {
  return `p${bound}`;
}

function rangeClause(bound: number): string {
  return `PARTITION ${rangeName(bound)} VALUES LESS THAN (${bound})`;
}
