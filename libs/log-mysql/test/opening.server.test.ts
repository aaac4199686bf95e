import {
  eventually,
  MysqlProxy,
  SHARED_SERVER_DEADLINE_MS,
  sharedMysql,
  SQL_SERVER_KINDS,
  type SqlServer,
} from '@hermes/testing';
import { createConnection } from 'mysql2/promise';

import type { MysqlNotice } from '../src/index.js';
import { makeDatabase } from './store-database.js';
import { LANE_TABLE, laneOf, StoreFixture } from './store-fixture.js';

// Servers are shared with other tests, and definitions wait for one another.
jest.setTimeout(60_000);

const EVERYTHING = { maxRecords: 10_000, maxBytes: 1024 * 1024 };

describe.each(SQL_SERVER_KINDS)('opening on %s', (kind) => {
  let server: SqlServer;
  let other: SqlServer;
  beforeAll(async () => {
    [server, other] = await Promise.all([sharedMysql(kind), sharedMysql(kind === 'mysql' ? 'mariadb' : 'mysql')]);
  }, SHARED_SERVER_DEADLINE_MS);

  let fixture: StoreFixture;
  beforeEach(async () => {
    fixture = await StoreFixture.make(server);
  });
  afterEach(() => fixture.dispose());

  it('lets two openers at once make one partition, of which the newer one stays', async () => {
    for (let partition = 0; partition < 5; partition += 1) {
      const engines = [await fixture.engine(), await fixture.engine()];
      const outcomes = await Promise.all(
        engines.map((engine, index) =>
          engine.openPartition({
            topicId: 7,
            partition,
            epoch: index + 1,
            incarnation: index + 1,
            lanes: 2,
            created: false,
          }),
        ),
      );
      const newer = outcomes[1]!;
      expect(newer.kind).toBe('opened');
      if (newer.kind === 'opened') {
        expect((await laneOf(newer.store).append(fixture.batch('new'))).kind).toBe('appended');
      }
      if (outcomes[0]!.kind === 'opened') {
        const stale = await laneOf(outcomes[0]!.store).append(fixture.batch('stale'));
        expect(stale).toEqual({ kind: 'fenced', epoch: 2 });
      } else {
        expect(outcomes[0]).toEqual({ kind: 'epochTooLow', observed: 2 });
      }
      await Promise.all(engines.map((engine) => engine.close()));
      const rows = async (table: string): Promise<unknown> =>
        (await fixture.database.query(`SELECT COUNT(*) AS n FROM ${table} WHERE partition_no = ${partition}`))[0]!['n'];
      expect([await rows('partition_state'), await rows('lane_state')]).toEqual([1, 2]);
    }
  });

  it('never jumps over a record that another connection commits late', async () => {
    const stale = await fixture.opened(await fixture.engine());
    await laneOf(stale).append(fixture.batch('first'));
    const late = await createConnection({
      ...{ host: server.host, port: server.port, user: server.user, password: server.password },
      database: fixture.database.options.database,
    });
    await late.beginTransaction();
    await late.query(
      `INSERT INTO ${LANE_TABLE} (log_offset, kind, epoch, append_id, appended_at, crc32, record)
       VALUES (?, 0, 1, 99, 0, CRC32('late'), 'late')`,
      [laneOf(stale).nextOffset],
    );
    const opening = fixture.opened(await fixture.engine(), { epoch: 2, created: true });
    await late.commit();
    await late.end();
    const fresh = await opening;
    await laneOf(fresh).append(fixture.batch('next'));
    const block = await laneOf(fresh).read(0, EVERYTHING);
    const texts = Array.from({ length: block.count }, (_, index) => Buffer.from(block.record(index)).toString());
    expect(texts).toEqual(['first', 'late', 'next']);
  });

  it('is refused, and moves on, when the log has gone back in time; no offset names two messages', async () => {
    const notices: MysqlNotice[] = [];
    const engine = await fixture.engine({ onNotice: (notice) => notices.push(notice) });
    const store = await fixture.opened(engine);
    for (const text of ['a', 'b', 'c', 'd']) {
      await laneOf(store).append(fixture.batch(text));
    }
    const { nextOffset } = laneOf(store);
    await fixture.database.query(`DELETE FROM ${LANE_TABLE} WHERE log_offset >= ${nextOffset - 2}`);
    await fixture.database
      .query(
        `SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()`,
      )
      .then(async ([row]) => {
        for (const id of String(Object.values(row!)[0]).split(',')) {
          await fixture.database.query(`KILL ${Number(id)}`);
        }
      });
    let last = await laneOf(store).append(fixture.batch('e'));
    if (last.kind === 'inDoubt') {
      const resolution = last.resolution;
      await expect(resolution).rejects.toMatchObject({ kind: 'closed' });
      last = await laneOf(store).append(fixture.batch('e'));
    }
    expect(last).toMatchObject({ kind: 'refused', error: { kind: 'closed' } });
    expect((await store.lost).kind).toBe('closed');
    const again = await fixture.opened(engine, { epoch: 2, created: true });
    const appended = await laneOf(again).append(fixture.batch('f'));
    expect(appended.kind).toBe('appended');
    const rows = await fixture.rows();
    expect(rows.at(-1)).toMatchObject({ offset: nextOffset + 1, text: 'f' });
    expect(rows.map(({ offset, kind }) => [offset, kind]).slice(-3)).toEqual([
      [nextOffset - 2, 1],
      [nextOffset, 1],
      [nextOffset + 1, 0],
    ]);
    expect(engine.counters.lostRecords).toBe(2);
    expect(notices).toContainEqual({
      ...{ kind: 'recordsLost', topicId: 7, partition: 3, lane: 0 },
      ...{ from: nextOffset - 2, count: 2 },
    });
  });

  it('loses all partitions when another server answers behind the address, and opens them at a new epoch', async () => {
    const proxy = await MysqlProxy.start(server);
    const engine = await fixture.engine({ port: proxy.port });
    const store = await fixture.opened(engine);
    await laneOf(store).append(fixture.batch('a'));
    await engine.look();
    expect(engine.counters.serverChanges).toBe(0);
    // The same database made anew is another store, as another server is.
    const { database } = fixture.database.options;
    await fixture.database.query(`UPDATE hermes_store SET id = 'another'`);
    await engine.look();
    expect(await store.lost).toMatchObject({ kind: 'closed' });
    expect(await laneOf(store).append(fixture.batch('b'))).toMatchObject({ kind: 'refused' });
    const again = await fixture.opened(engine, { epoch: 2, created: true });
    expect((await laneOf(again).append(fixture.batch('b'))).kind).toBe('appended');
    expect(engine.counters.serverChanges).toBe(1);
    expect(database).toBe(fixture.database.options.database);
    await engine.close();
    proxy.close();
  });

  it('finds data loss, and makes nothing anew, where another server is empty', async () => {
    const proxy = await MysqlProxy.start(server);
    const engine = await fixture.engine({ port: proxy.port });
    await fixture.opened(engine);
    const { database, user } = fixture.database.options;
    const connection = await createConnection({
      host: other.host,
      port: other.port,
      user: other.user,
      password: other.password,
    });
    await connection.query(`CREATE DATABASE ${database}`);
    await connection.query(`CREATE USER ${user} IDENTIFIED BY '${fixture.database.environment['PASSWORD']!}'`);
    await connection.query(`GRANT ALL ON ${database}.* TO ${user}`);
    try {
      proxy.retarget(other);
      await engine.look();
      const outcome = await engine.openPartition({
        ...{ topicId: 7, partition: 3, epoch: 2, incarnation: 1, lanes: 1, created: true },
      });
      expect(outcome.kind).toBe('dataLoss');
    } finally {
      await connection.query(`DROP DATABASE ${database}`);
      await connection.query(`DROP USER ${user}`);
      await connection.end();
    }
    expect(engine.counters.serverChanges).toBe(1);
    await engine.close();
    proxy.close();
  });

  it('goes over a lane’s ranges as it grows, with room ahead and fewer than 50 of them', async () => {
    const engine = await fixture.engine({ rangeRows: 20 });
    const log = laneOf(await fixture.opened(engine));
    const texts = (count: number): string[] => Array.from({ length: count }, () => 'x');
    expect((await log.append(fixture.batch(...texts(500)))).kind).toBe('appended');
    for (let number = 0; number < 60; number += 1) {
      expect((await log.append(fixture.batch(...texts(40)))).kind).toBe('appended');
    }
    await engine.close();
    const [row] = await fixture.database.query(
      `SELECT COUNT(*) AS n, MAX(CAST(partition_description AS UNSIGNED)) AS top FROM information_schema.partitions
       WHERE table_schema = DATABASE() AND table_name = '${LANE_TABLE}'`,
    );
    expect(Number(row!['n'])).toBeLessThan(50);
    expect(Number(row!['top'])).toBeGreaterThan(log.nextOffset + 40);
    expect(await fixture.rows()).toHaveLength(1 + 500 + 60 * 40);
  });

  it('drops ranges below a lane’s start, once no record in them is young', async () => {
    const bounds = async (): Promise<number[]> => {
      const rows = await fixture.database.query(
        `SELECT CAST(partition_description AS UNSIGNED) AS bound FROM information_schema.partitions
         WHERE table_schema = DATABASE() AND table_name = '${LANE_TABLE}' ORDER BY partition_ordinal_position`,
      );
      return rows.map((row) => Number(row['bound']));
    };
    const texts = Array.from({ length: 90 }, (_, nth) => `${nth}`);
    const keeping = await fixture.engine({ rangeRows: 20 });
    const log = laneOf(await fixture.opened(keeping));
    await log.append(fixture.batch(...texts));
    expect(await log.truncateBefore(50)).toMatchObject({ firstOffset: 50 });
    await keeping.close();
    expect((await bounds())[0]).toBe(20);
    expect(await fixture.rows()).toHaveLength(1 + 90);

    const dropping = await fixture.engine({ rangeRows: 20, rangeKeptMs: 1 });
    const again = laneOf(await fixture.opened(dropping, { epoch: 2, created: true }));
    await eventually(async () => {
      expect((await bounds())[0]).toBe(60);
    });
    expect((await fixture.rows())[0]).toMatchObject({ offset: 40 });
    expect(again.firstOffset).toBe(50);
    expect((await again.read(50, { maxRecords: 1, maxBytes: 1 })).offset(0)).toBe(50);
    await again.truncateBefore(1_000);
    await eventually(async () => {
      expect((await bounds())[0]).toBeGreaterThan(90);
    });
    expect((await again.append(fixture.batch('more'))).kind).toBe('appended');
    await dropping.close();
  });

  it('names the reference of a password, never the password, and refuses what it cannot work with', async () => {
    const attempt = (change: object): Promise<unknown> =>
      fixture.engine({ server: { ...fixture.database.options, ...change } });
    await expect(attempt({ password: 'env:ABSENT' })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('env:ABSENT') as string,
    });
    const failure = await fixture.engine({ environment: { PASSWORD: 'top-secret' } }).then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    const told = JSON.stringify(failure, Object.getOwnPropertyNames(failure ?? {})) + String(failure?.stack);
    expect(told).not.toContain('top-secret');
    expect(failure).toMatchObject({ kind: 'unavailable' });
    await expect(attempt({ database: 'absent_database' })).rejects.toMatchObject({ kind: 'unavailable' });
    const newer = await makeDatabase(server);
    await newer.query('CREATE TABLE hermes_schema (version INT UNSIGNED NOT NULL PRIMARY KEY)');
    await newer.query('INSERT INTO hermes_schema VALUES (99)');
    const { options, environment } = newer;
    await expect(fixture.engine({ server: options, environment })).rejects.toMatchObject({ kind: 'schemaNewer' });
    await newer.drop();
  });
});
