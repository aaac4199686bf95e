import { type Clock, type Timers } from '@hermes/runtime';
import { Kysely } from 'kysely';
import { type Connection } from 'mysql2/promise';

import { type Database, type Schema } from '../sql/schema.js';
import { connectMysql, type MysqlCredentials } from './mysql-connect.js';
import { MysqlConnectionsDialect } from './mysql-dialect.js';
import { type SessionWaits } from './mysql-session.js';

/** What every set of connections is made with. */
export interface DatabaseParts {
  readonly credentials: MysqlCredentials;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Makes a bounded set of connections; the first is opened when it is needed. */
export function openDatabase(
  { credentials, clock, timers }: DatabaseParts,
  options: {
    readonly waits: SessionWaits;
    readonly connectionsMax: number;
    /** Longest time that one user may have a connection. */
    readonly useMs: number;
    readonly onOpen?: (connection: Connection) => Promise<void>;
  },
): Database {
  const { waits, connectionsMax, useMs, onOpen } = options;
  const steps = { timers, waits, ...(onOpen === undefined ? {} : { onOpen }) };
  const connect = (): Promise<Connection> => connectMysql(credentials, steps);
  return new Kysely<Schema>({
    dialect: new MysqlConnectionsDialect({ connect, connectionsMax, useMs, timers, clock }),
  });
}
