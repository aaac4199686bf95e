import { crc32 } from 'node:zlib';

import {
  type CommitOutcome,
  type IdentifiedPublish,
  logIsElsewhere,
  type OpeningGate,
  type ProducerState,
} from '@hermes/log';

import type { ConnectionSet } from './connection-set.js';
import type { FencedWriter } from './fenced-writer.js';
import { laneTableName } from './lane-table.js';
import { readFault } from './mysql-fault.js';
import type { OpenedPartition } from './partition-rows.js';
import type { Session } from './session.js';

export interface MysqlProducerStateOptions {
  readonly address: OpenedPartition;
  readonly fenced: FencedWriter;
  readonly reads: ConnectionSet;
  readonly gate: OpeningGate;
}

const PARTITION = 'topic_id = ? AND partition_no = ?';
const SQL = {
  load: `SELECT snapshot FROM producer WHERE ${PARTITION}`,
  save: 'REPLACE INTO producer (topic_id, partition_no, snapshot) VALUES (?, ?, ?)',
  scheduled: `SELECT producer_id, sequence, lane, schedule_id, record FROM schedule
    WHERE ${PARTITION} AND schedule_id >= ? AND producer_id IS NOT NULL ORDER BY schedule_id LIMIT ?`,
  appended: (table: string) => `SELECT producer_id, sequence, log_offset, schedule_id, crc32, appended_at
    FROM ${table} WHERE log_offset >= ? AND producer_id IS NOT NULL ORDER BY log_offset LIMIT ?`,
} as const;

/** The publishes of a partition on MySQL that may be repeated. */
export class MysqlProducerState implements ProducerState {
  readonly #options: MysqlProducerStateOptions;

  constructor(options: MysqlProducerStateOptions) {
    this.#options = options;
  }

  async load(): Promise<Uint8Array | undefined> {
    const { topicId, partition } = this.#options.address;
    const [row] = await this.#read((session) => session.execute(SQL.load, [topicId, partition]));
    return row?.[0] as Uint8Array | undefined;
  }

  async save(snapshot: Uint8Array): Promise<CommitOutcome> {
    const { gate, fenced, address } = this.#options;
    if (gate.refusal !== undefined) {
      return { kind: 'refused', error: gate.refusal };
    }
    return gate.run(() =>
      fenced.write(async (session) => {
        await session.execute(SQL.save, [address.topicId, address.partition, snapshot]);
      }),
    );
  }

  async appendedFrom(lane: number, offset: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    const { address } = this.#options;
    if (address.stateOnly) {
      throw logIsElsewhere(address);
    }
    const sql = SQL.appended(laneTableName({ ...address, lane }));
    const rows = await this.#read((session) => session.execute(sql, [offset, maxRecords]));
    return rows.map((row): IdentifiedPublish => {
      const [producerId, sequence, logOffset, scheduleId, checksum, appendedAtMs] = row.map(Number) as Numbers;
      return {
        ...{ identity: { producerId, sequence }, lane, offset: logOffset, checksum, appendedAtMs },
        scheduleId: row[3] === null ? undefined : scheduleId,
      };
    });
  }

  async scheduledFrom(scheduleId: number, maxRecords: number): Promise<readonly IdentifiedPublish[]> {
    const { topicId, partition } = this.#options.address;
    const values = [topicId, partition, scheduleId, maxRecords];
    const rows = await this.#read((session) => session.execute(SQL.scheduled, values));
    return rows.map((row): IdentifiedPublish => {
      const [producerId, sequence, lane, id] = row.map(Number) as Numbers;
      const checksum = crc32(row[4] as Uint8Array);
      return { identity: { producerId, sequence }, lane, offset: undefined, scheduleId: id, checksum, appendedAtMs: 0 };
    });
  }

  #read(job: (session: Session) => ReturnType<Session['execute']>): Promise<readonly (readonly unknown[])[]> {
    const { gate, reads } = this.#options;
    return gate.run(async () => {
      try {
        return (await reads.run(job)).rows;
      } catch (error) {
        throw readFault(error, 'read producers');
      }
    });
  }
}

type Numbers = [number, number, number, number, number, number];
