import { randomBytes } from 'node:crypto';

import { type Connection } from 'mysql2/promise';

import { type SqlEndpoint, type TestDatabase } from './sql-server.js';

const CONNECT_DEADLINE_MS = 5_000;

/** Runs `work` on a connection of its own. */
export async function withConnection<T>(
  endpoint: SqlEndpoint,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  // Loaded here, so that tests without a server do not pay for it.
  const { createConnection } = await import('mysql2/promise');
  const { host, port, user, password, ca } = endpoint;
  const connection = await createConnection({
    ...{ host, port, user, password, connectTimeout: CONNECT_DEADLINE_MS },
    ...(ca === undefined ? {} : { ssl: { ca, verifyIdentity: false } }),
  });
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
}

/** Makes an empty database with a name that no other has, and a user who may do everything there and nothing else. */
export async function createDatabase(endpoint: SqlEndpoint): Promise<TestDatabase> {
  const name = `hermes_test_${randomBytes(6).toString('hex')}`;
  const { host, port, ca } = endpoint;
  const [user, password] = [name, randomBytes(12).toString('hex')];
  await withConnection(endpoint, async (connection) => {
    await connection.query(`CREATE DATABASE ${name}`);
    await connection.query(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
    await connection.query(`GRANT ALL PRIVILEGES ON ${name}.* TO '${user}'@'%'`);
  });
  const drop = async (): Promise<void> => {
    await withConnection(endpoint, async (connection) => {
      await connection.query(`DROP DATABASE IF EXISTS ${name}`);
      await connection.query(`DROP USER IF EXISTS '${user}'@'%'`);
    });
  };
  const account = [user, password].map(encodeURIComponent).join(':');
  const url = `mysql://${account}@${host}:${port}/${name}`;
  const tls = ca === undefined ? {} : { ca };
  return { host, port, user, password, ...tls, name, url, drop, [Symbol.asyncDispose]: drop };
}
