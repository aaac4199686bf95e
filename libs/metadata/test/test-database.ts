import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  SQL_SERVER_KINDS,
  type SqlServer,
  temporaryDirectory,
} from '@hermes/testing';
import { type Connection, createConnection } from 'mysql2/promise';

/** A database of its own for one test. */
export interface TestDatabase {
  readonly url: string;
  readonly passwordFile?: string;
  /** A directory for whatever the test needs beside it. */
  readonly directory: string;
  remove(): Promise<void>;
}

/** A database on a server, which tests can also look into and disturb. */
export interface TestServerDatabase extends TestDatabase {
  readonly name: string;
  /** In this database, as the account of `url`, or as administrator. */
  connect(as?: 'user' | 'administrator'): Promise<Connection>;
}

/** Describes the same for each kind of server. */
export function describeServers(body: (create: () => Promise<TestServerDatabase>) => void): void {
  describe.each(SQL_SERVER_KINDS)('on %s', (kind) => {
    let server: SqlServer;
    beforeAll(async () => {
      server = await sharedMysql(kind);
    }, SHARED_SERVER_DEADLINE_MS);

    body(() => createServerDatabase(server));
  });
}

export function createSqliteDatabase(): TestDatabase {
  const directory = temporaryDirectory();
  return {
    url: `sqlite:${join(directory.path, 'meta.db')}`,
    directory: directory.path,
    remove: () => {
      directory.remove();
      return Promise.resolve();
    },
  };
}

async function createServerDatabase(server: SqlServer): Promise<TestServerDatabase> {
  const database = await server.createDatabase();
  const { host, port, user, password, name } = database;
  const directory = temporaryDirectory();
  const passwordFile = join(directory.path, 'password');
  writeFileSync(passwordFile, `${password}\n`);
  return {
    ...{ name, directory: directory.path, passwordFile },
    url: `mysql://${user}@${host}:${port}/${name}`,
    connect: (as = 'user') => {
      const account = as === 'user' ? { user, password } : { user: server.user, password: server.password };
      return createConnection({ host, port, ...account, database: name });
    },
    remove: async () => {
      await database.drop();
      directory.remove();
    },
  };
}
