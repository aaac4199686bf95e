import type { SqlServer } from '@hermes/testing';
import { type Connection, createConnection } from 'mysql2/promise';

import type { MysqlServerOptions } from '../src/server-options.js';

/** An empty database, removed by `drop`, and a connection to it past the engine. */
export interface StoreDatabase {
  readonly options: MysqlServerOptions;
  /** Where `options` say that the password is. */
  readonly environment: Readonly<Record<string, string>>;
  /** Runs a statement past the engine; rows as objects. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Takes a new connection for `query`. */
  reconnect(): Promise<void>;
  drop(): Promise<void>;
}

export async function makeDatabase(server: SqlServer): Promise<StoreDatabase> {
  const made = await server.createDatabase();
  const { host, port, user, password, name: database } = made;
  const connect = async (): Promise<Connection> => {
    const connection = await createConnection({ host, port, user, password, database });
    // Kept for the whole test, which may be longer idle than a server likes.
    await connection.query('SET SESSION wait_timeout = 28800');
    return connection;
  };
  let connection = await connect();
  return {
    options: { host, port, user, password: 'env:PASSWORD', database },
    environment: { PASSWORD: password },
    query: async (sql, values) => {
      const [rows] = await connection.query(sql, values);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
    reconnect: async () => {
      connection.destroy();
      connection = await connect();
    },
    drop: async () => {
      connection.destroy();
      await made.drop();
    },
  };
}
