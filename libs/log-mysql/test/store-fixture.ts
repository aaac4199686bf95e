import { AppendBatch, type MessageLog, type OpenPartitionRequest, type PartitionStore } from '@hermes/log';
import type { SqlServer } from '@hermes/testing';

import { type MysqlEngine, type MysqlEngineOptions, openMysqlEngine } from '../src/index.js';
import { makeDatabase, type StoreDatabase } from './store-database.js';

/** The table of the partition's only lane. */
export const LANE_TABLE = 't7_p3_l0';

/** Few connections: a test opens several engines. */
const BOUNDS = { appendConnections: 2, settleConnections: 2, readConnections: 2, controlConnections: 2, brokers: 1 };

export interface StoredRecord {
  readonly offset: number;
  readonly kind: number;
  readonly epoch: number;
  readonly appendId: number;
  readonly text: string;
}

/** One database and the engines that a test opens on it. */
export class StoreFixture {
  readonly server: SqlServer;
  readonly database: StoreDatabase;
  readonly #engines: MysqlEngine[] = [];
  #lastAppendId = 0;

  private constructor(server: SqlServer, database: StoreDatabase) {
    this.server = server;
    this.database = database;
  }

  static async make(server: SqlServer): Promise<StoreFixture> {
    return new StoreFixture(server, await makeDatabase(server));
  }

  /** An engine of its own, as another broker has; `port` leads it through a proxy. */
  async engine(change: Partial<MysqlEngineOptions> & { readonly port?: number } = {}): Promise<MysqlEngine> {
    const { port = this.server.port, bounds, ...options } = change;
    const engine = await openMysqlEngine({
      server: { ...this.database.options, port },
      environment: this.database.environment,
      bounds: { ...BOUNDS, ...bounds },
      ...options,
    });
    this.#engines.push(engine);
    return engine;
  }

  async opened(engine: MysqlEngine, change: Partial<OpenPartitionRequest> = {}): Promise<PartitionStore> {
    const request = { topicId: 7, partition: 3, epoch: 1, incarnation: 41, lanes: 1, created: false, ...change };
    const outcome = await engine.openPartition(request);
    if (outcome.kind !== 'opened') {
      throw new Error(`the partition was not opened: ${JSON.stringify(outcome)}`);
    }
    return outcome.store;
  }

  batch(...texts: readonly string[]): AppendBatch {
    this.#lastAppendId += 1;
    const records = texts.map((text) => ({ record: Buffer.from(text), keyHash: 0 }));
    return AppendBatch.pack(this.#lastAppendId, records);
  }

  /** Every row of the lane, past the engine. */
  async rows(table = LANE_TABLE): Promise<StoredRecord[]> {
    const rows = await this.database.query(
      `SELECT log_offset, kind, epoch, append_id, record FROM ${table} ORDER BY log_offset`,
    );
    return rows.map((row) => ({
      offset: Number(row['log_offset']),
      kind: Number(row['kind']),
      epoch: Number(row['epoch']),
      appendId: Number(row['append_id']),
      text: (row['record'] as Buffer).toString(),
    }));
  }

  /** Connects again, past the engine: the last connection died with its server. */
  reconnect(): Promise<void> {
    return this.database.reconnect();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close()));
    // A killed server has taken the connection with it, and the database goes with that server.
    await this.database.drop().catch(() => undefined);
  }
}

export function laneOf(store: PartitionStore): MessageLog {
  return store.lanes[0]!;
}
