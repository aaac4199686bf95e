import { tmpdir } from 'node:os';

import { createConnection } from 'mysql2/promise';

import { ifSourceExists } from './if-source-exists.js';
import { type ServerSource } from './server-source.js';
import { type OwnSqlServer, type SqlEndpoint, SQL_SERVER_KINDS, type SqlServerKind } from './sql-server.js';
import { sharedMysql, type SqlServerOptions, startMysql } from './start-mysql.js';

/** Enough for a server that has done nothing yet. */
const DISK_BYTES = 400 * 1024 * 1024;

/** MariaDB ends when its redo log has no room: a small one has all of it soon. */
const SMALL_REDO_LOG = { mysql: {}, mariadb: { 'innodb-log-file-size': '8M' } } as const;

/** Installing a server for the first time may take minutes. */
jest.setTimeout(600_000);

async function ask<T>(endpoint: SqlEndpoint & { name?: string }, sql: string): Promise<T> {
  const { host, port, user, password, name } = endpoint;
  const connection = await createConnection({ host, port, user, password, ...(name && { database: name }) });
  try {
    const [rows] = await connection.query(sql);
    return (rows as unknown[])[0] as T;
  } finally {
    connection.destroy();
  }
}

function startFrom(
  source: ServerSource,
  kind: SqlServerKind,
  settings: SqlServerOptions['settings'] = {},
  diskBytes?: number,
): Promise<OwnSqlServer | undefined> {
  const disk = diskBytes === undefined ? {} : { diskBytes };
  return ifSourceExists(source, () => startMysql(kind, { sources: [source], settings, ...disk }));
}

describe.each(SQL_SERVER_KINDS)('sharedMysql: %s', (kind) => {
  it('is one server for all who ask, of the right make, durable at each commit', async () => {
    const [one, other] = await Promise.all([sharedMysql(kind), sharedMysql(kind)]);
    expect(other.port).toBe(one.port);
    const { version, flush } = await ask<{ version: string; flush: number }>(
      one,
      'SELECT VERSION() version, @@innodb_flush_log_at_trx_commit flush',
    );
    expect(version).toMatch(kind === 'mysql' ? /^(9|8\.4)\.(?!.*MariaDB)/ : /^(10\.11|1[1-9])\..*MariaDB/);
    expect(flush).toBe(1);
  });

  it('gives each caller an empty database of its own, and drops it', async () => {
    const server = await sharedMysql(kind);
    await using one = await server.createDatabase();
    const other = await server.createDatabase();
    await ask(one, 'CREATE TABLE t (id INT PRIMARY KEY)');
    expect(await ask(other, 'SHOW TABLES')).toBeUndefined();
    expect(await ask({ ...server, name: one.name }, 'SHOW TABLES')).toBeDefined();
    await other.drop();
    await expect(ask(other, 'SELECT 1')).rejects.toMatchObject({ code: 'ER_ACCESS_DENIED_ERROR' });
    await expect(ask(one, 'SELECT 1 FROM mysql.user')).rejects.toMatchObject({ code: 'ER_TABLEACCESS_DENIED_ERROR' });
  });
});

/** MySQL's programs take a minute to come: where there is no Docker, all other tests use them. */
const STARTS: readonly { readonly kind: SqlServerKind; readonly source: ServerSource }[] = [
  { kind: 'mysql', source: 'docker' },
  { kind: 'mariadb', source: 'docker' },
  { kind: 'mariadb', source: 'program' },
];

describe.each(STARTS)('startMysql: $kind from $source', ({ kind, source }) => {
  it('has its settings, answers nothing while paused, and keeps port and committed rows over a kill and a restart', async () => {
    await using server = await startFrom(source, kind, { 'max-connections': '23' });
    if (server === undefined) {
      return;
    }
    const beside = await sharedMysql(kind);
    expect(await identity(server, kind)).not.toEqual(await identity(beside, kind));
    const database = await server.createDatabase();
    await ask(database, 'CREATE TABLE t (id INT PRIMARY KEY)');
    await ask(database, 'INSERT INTO t VALUES (7)');
    await server.pause();
    let answered = false;
    const answer = ask<{ one: number }>(server, 'SELECT 1 one').then((row) => {
      answered = true;
      return row;
    });
    // The one beside it answers many times over: long enough for the paused one, if it could.
    for (let round = 0; round < 20; round += 1) {
      await ask(beside, 'SELECT 1');
    }
    expect(answered).toBe(false);
    await server.resume();
    expect(await answer).toEqual({ one: 1 });
    await server.kill();
    await expect(ask(server, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.restart();
    await server.pause();
    await server.restart();
    expect(await ask(database, 'SELECT id, @@max_connections connections FROM t')).toEqual({
      id: 7,
      connections: 23,
    });
  });

  it('has no more room than its disk', async () => {
    const settings = { 'skip-log-bin': 'ON', ...SMALL_REDO_LOG[kind] };
    await using server = await startFrom(source, kind, settings, DISK_BYTES);
    if (server === undefined) {
      return;
    }
    await using database = await server.createDatabase();
    await ask(database, 'CREATE TABLE full (data VARCHAR(4000))');
    const fill = async (): Promise<void> => {
      for (;;) {
        await ask(database, "INSERT INTO full SELECT REPEAT('x', 4000) FROM information_schema.columns LIMIT 500");
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'ER_RECORD_FILE_FULL' });
    await ask(database, 'DROP TABLE full');
    await ask(
      database,
      "CREATE TABLE roomy AS SELECT REPEAT('x', 4000) data FROM information_schema.columns LIMIT 500",
    );
  });
});

describe('startMysql', () => {
  it('keeps the temporary tables of a program apart from other servers', async () => {
    await using server = await startFrom('program', 'mariadb');
    const row = server && (await ask<{ directory: string }>(server, 'SELECT @@tmpdir directory'));
    expect(row?.directory).not.toBe(tmpdir());
  });

  it('says why a server with a wrong setting does not start', async () => {
    const settings = { 'no-such-setting': '1' };
    await expect(startMysql('mariadb', { settings })).rejects.toThrow(/no-such-setting/);
  });

  it('says what to install if there is no source', async () => {
    await expect(startMysql('mysql', { sources: [] })).rejects.toThrow(/Docker.*MySQL 9.*HERMES_TEST_MYSQL_URL/);
  });
});

/** What tells two servers apart: MySQL has a name for it, MariaDB the time of its start and its port. */
function identity(server: SqlEndpoint, kind: SqlServerKind): Promise<unknown> {
  return ask(server, kind === 'mysql' ? 'SELECT @@server_uuid id' : 'SELECT CONCAT(@@hostname, @@datadir, @@port) id');
}
