import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  /** As administrator, in this database. */
  connect(): Promise<Connection>;
}

// The one seam: where the servers of tests are, as `mysql://USER:PASSWORD@HOST:PORT`.
// eslint-disable-next-line no-restricted-syntax -- no setting of the product.
const { HERMES_TEST_MARIADB_URL: mariadb, HERMES_TEST_MYSQL_URL: mysql } = process.env;

/** Servers by name; undefined: none is there for this run. */
export const SERVERS: readonly (readonly [string, string | undefined])[] = [
  ['MariaDB', mariadb],
  ['MySQL', mysql],
];

/** Describes the same for each server that is there; where none is, that is shown as skipped. */
export function describeServers(body: (create: () => Promise<TestServerDatabase>) => void): void {
  for (const [name, url] of SERVERS) {
    (url === undefined ? describe.skip : describe)(`on ${name}`, () => {
      body(() => createServerDatabase(url ?? ''));
    });
  }
}

/** Describes the same for SQLite and each server. */
export function describeEngines(body: (create: () => Promise<TestDatabase>) => void): void {
  describe('on SQLite', () => {
    body(() => Promise.resolve(createSqliteDatabase()));
  });
  describeServers(body);
}

function createSqliteDatabase(): TestDatabase {
  const directory = mkdtempSync(join(tmpdir(), 'hermes-metadata-'));
  const remove = (): Promise<void> => {
    rmSync(directory, { recursive: true, force: true });
    return Promise.resolve();
  };
  return { url: `sqlite:${join(directory, 'meta.db')}`, directory, remove };
}

async function createServerDatabase(serverUrl: string): Promise<TestServerDatabase> {
  const { hostname, port, username, password } = new URL(serverUrl);
  const name = `hermes_test_${randomBytes(6).toString('hex')}`;
  const connect = (database?: string): Promise<Connection> =>
    createConnection({
      ...{ host: hostname, port: Number(port), user: username, password: decodeURIComponent(password) },
      ...(database === undefined ? {} : { database }),
    });
  const admin = await connect();
  await admin.query(`create database ${name}`);
  const directory = mkdtempSync(join(tmpdir(), 'hermes-metadata-'));
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, `${decodeURIComponent(password)}\n`);
  return {
    ...{ name, directory, passwordFile },
    url: `mysql://${username}@${hostname}:${port}/${name}`,
    connect: () => connect(name),
    remove: async () => {
      await admin.query(`drop database ${name}`);
      await admin.end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
