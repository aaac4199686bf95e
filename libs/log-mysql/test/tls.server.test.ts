import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import type { SecretReference, TlsOptions } from '@hermes/log';
import {
  createAuthority,
  type OwnSqlServer,
  SHARED_SERVER_DEADLINE_MS,
  SQL_SERVER_KINDS,
  startMysql,
  temporaryDirectory,
  type TestDatabase,
} from '@hermes/testing';
import { createConnection } from 'mysql2/promise';

import { type MysqlEngine, openMysqlEngine } from '../src/index.js';

jest.setTimeout(SHARED_SERVER_DEADLINE_MS);

describe.each(SQL_SERVER_KINDS)('TLS to %s', (kind) => {
  const authority = createAuthority();
  const ours = authority.sign('broker');
  const directory = temporaryDirectory();
  let server: OwnSqlServer;
  let database: TestDatabase;
  beforeAll(async () => {
    server = await startMysql(kind, { tls: { ...authority.sign('localhost'), ca: authority.ca } });
    database = await server.createDatabase();
  });
  afterAll(async () => {
    await server.stop();
    directory.remove();
  });

  function file(name: string, content: string): SecretReference {
    const path = join(directory.path, name);
    writeFileSync(path, content);
    return `file:${path}`;
  }

  /** Opens the data source; what became of it. */
  async function attempt(tls: TlsOptions | undefined, host = 'localhost'): Promise<string> {
    const { port, user, name } = database;
    let engine: MysqlEngine;
    try {
      engine = await openMysqlEngine({
        server: { host, port, user, password: 'env:P', database: name, ...(tls && { tls }) },
        environment: { P: database.password, CA: authority.ca },
      });
    } catch (error) {
      return (error as Error).message;
    }
    await engine.close();
    return 'open';
  }

  it('is used where it is asked for, and refused without it', async () => {
    expect(await attempt({ ca: 'env:CA' })).toBe('open');
    expect(await attempt({ ca: file('ca.pem', authority.ca) })).toBe('open');
    expect(await attempt(undefined)).toMatch(/secure[_ ]transport|denied/i);
  });

  it('verifies who the server is: its authority, and its name', async () => {
    expect(await attempt({ ca: file('another.pem', createAuthority('Another').ca) })).toMatch(/certificate/);
    expect(await attempt({})).toMatch(/certificate/);
    expect(await attempt({ ca: 'env:CA' }, hostname())).toMatch(/not match certificate/);
    expect(await attempt({ ca: 'env:CA' }, database.host)).toMatch(/verifies the name/);
  });

  it('shows the certificate of the broker to a server that asks for it', async () => {
    const root = await createConnection({ ...accountOf(server), ssl: { ca: authority.ca } });
    await root.query(`ALTER USER '${database.user}'@'%' REQUIRE X509`);
    await root.end();
    expect(await attempt({ ca: 'env:CA' })).toMatch(/Access denied/);
    const [certificate, key] = [file('broker.crt', ours.certificate), file('broker.key', ours.key)];
    expect(await attempt({ ca: 'env:CA', certificate, key })).toBe('open');
    expect(await attempt({ ca: 'env:CA', certificate })).toMatch(/certificate needs its key/);
    expect(await attempt({ ca: 'file:/nowhere' })).toMatch(/file:\/nowhere cannot be read/);
  });
});

function accountOf({ host, port, user, password }: OwnSqlServer): Record<'host' | 'user' | 'password', string> & {
  port: number;
} {
  return { host, port, user, password };
}
