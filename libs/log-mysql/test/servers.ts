import { createConnection } from 'mysql2/promise';

import type { MysqlServerOptions } from '../src/server-options.js';

/** A running server on which a test may make databases of its own. */
export interface TestServer {
  /** Such as `mariadb-10.11`. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

const VARIABLE = 'HERMES_TEST_MYSQL_URLS';

/**
 * The servers that every test runs on: `HERMES_TEST_MYSQL_URLS` is a list of `name=mysql://user:password@host:port`,
 * parted by commas. This file is the only one that knows where servers come from.
 */
export function testServers(): readonly TestServer[] {
  // eslint-disable-next-line no-restricted-syntax -- a test's own settings, not a process'
  const list = process.env[VARIABLE] ?? '';
  const servers = list.split(',').flatMap((entry) => {
    const [name = '', url = ''] = entry.split(/=(.*)/s);
    return url === '' ? [] : [toServer(name.trim(), new URL(url))];
  });
  if (servers.length === 0) {
    throw new Error(`${VARIABLE} names no server, such as mysql-9=mysql://root@127.0.0.1:3306`);
  }
  return servers;
}

/** An empty database, removed by `drop`. */
export interface TestDatabase {
  readonly options: MysqlServerOptions;
  /** Runs a statement past the engine; rows as objects. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  drop(): Promise<void>;
}

let databases = 0;

export async function makeDatabase({ host, port, user, password }: TestServer): Promise<TestDatabase> {
  databases += 1;
  const database = `hermes_${process.pid}_${databases}`;
  const connection = await createConnection({ host, port, user, password });
  await connection.query(`DROP DATABASE IF EXISTS ${database}`);
  await connection.query(`CREATE DATABASE ${database}`);
  await connection.query(`USE ${database}`);
  // Kept for the whole test, which may be longer idle than a server likes.
  await connection.query('SET SESSION wait_timeout = 28800');
  return {
    options: { host, port, user, password: 'env:PASSWORD', database },
    query: async (sql, values) => {
      const [rows] = await connection.query(sql, values);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
    drop: async () => {
      await connection.query(`DROP DATABASE IF EXISTS ${database}`);
      await connection.end();
    },
  };
}

function toServer(name: string, url: URL): TestServer {
  return {
    name,
    host: url.hostname,
    port: Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
}
