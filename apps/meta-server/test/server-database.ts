import { randomBytes } from 'node:crypto';

import { type Connection, createConnection } from 'mysql2/promise';

// The one seam: where the servers of tests are, as `mysql://USER@HOST:PORT`.
// eslint-disable-next-line no-restricted-syntax -- no setting of the product.
const { HERMES_TEST_MARIADB_URL: mariadb, HERMES_TEST_MYSQL_URL: mysql } = process.env;

/** An empty database on a server, and a connection to disturb it with. */
export interface ServerDatabase extends AsyncDisposable {
  readonly url: string;
  readonly connection: Connection;
}

/** Describes the same for each server that is there; where none is, that is shown as skipped. */
export function describeServers(body: (create: () => Promise<ServerDatabase>) => void): void {
  for (const [name, url] of [
    ['MariaDB', mariadb],
    ['MySQL', mysql],
  ] as const) {
    (url === undefined ? describe.skip : describe)(`on ${name}`, () => {
      body(() => createDatabase(url ?? ''));
    });
  }
}

async function createDatabase(serverUrl: string): Promise<ServerDatabase> {
  const name = `hermes_test_${randomBytes(6).toString('hex')}`;
  const connection = await createConnection(serverUrl);
  await connection.query(`create database ${name}`);
  await connection.query(`use ${name}`);
  return {
    connection,
    url: `${serverUrl}/${name}`,
    [Symbol.asyncDispose]: async () => {
      await connection.query(`drop database ${name}`);
      await connection.end();
    },
  };
}
