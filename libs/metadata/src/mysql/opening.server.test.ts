import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Topic } from '@hermes/contracts';
import { type PersistedAssignment } from '@hermes/coordination';
import { eventually, freePort } from '@hermes/testing';
import { sql } from 'kysely';

import { lead, type LedMetadata } from '../../test/lead.js';
import { describeServers, type TestServerDatabase } from '../../test/test-database.js';
import { type MetadataOptions } from '../metadata-options.js';
import { openMetadata } from '../open-metadata.js';
import { MIGRATIONS } from '../sql/migrations.js';
import { openBrokerLease } from './open-broker-lease.js';

describeServers((create) => {
  let database: TestServerDatabase;
  let metadata: LedMetadata | undefined;

  const open = async (options: Partial<MetadataOptions> = {}): Promise<LedMetadata> => {
    metadata = await lead({ ...database, ...options });
    return metadata;
  };
  const query = async (statement: string): Promise<unknown> => {
    const connection = await database.connect('administrator');
    const [rows] = await connection.query(statement);
    await connection.end();
    return rows;
  };

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await metadata?.close();
    metadata = undefined;
    await database.remove();
  });

  test('a wrong password is refused with 77, and shown nowhere', async () => {
    const passwordFile = join(database.directory, 'wrong');
    writeFileSync(passwordFile, 'hunter2\n');
    await expect(open({ passwordFile })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      exitCode: 77,
      message: expect.not.stringContaining('hunter2') as unknown,
    });
  });

  test('a user of its own needs a password and few rights', async () => {
    const user = `u${database.name.slice(-8)}`;
    const accounts = ['localhost', '%'].map((host) => `'${user}'@'${host}'`);
    const passwordFile = join(database.directory, 'of-the-user');
    writeFileSync(passwordFile, 'p@ss:w/rd\nnot the password\n');
    for (const account of accounts) {
      await query(`create user ${account} identified by 'p@ss:w/rd'`);
      await query(`grant select, insert, update, delete, create, alter on ${database.name}.* to ${account}`);
    }
    const { topics } = await open({ url: database.url.replace(/\/\/[^@]*@/, `//${user}@`), passwordFile });
    expect(await topics.create(Topic.fromPartial({ name: 'orders' }), 0)).toMatchObject({ created: true });
    await topics.delete('orders', () => undefined);
    await metadata?.close();
    await query(`drop user ${accounts.join(', ')}`);
  });

  test('a password file, a server and a database that are not there are named', async () => {
    await expect(open({ passwordFile: '/nowhere' })).rejects.toMatchObject({
      ...{ code: 'FILE_UNREADABLE', exitCode: 78, message: '/nowhere cannot be read' },
    });
    await query(`grant all on ${database.name}_gone.* to '${database.name}'@'%'`);
    await expect(open({ url: database.url + '_gone' })).rejects.toMatchObject({
      code: 'SERVER_UNAVAILABLE',
      exitCode: 69,
    });
    const url = `mysql://u@127.0.0.1:${await freePort()}/d`;
    await expect(open({ url })).rejects.toMatchObject({
      ...{ code: 'SERVER_UNAVAILABLE', exitCode: 69, message: expect.stringContaining('ECONNREFUSED') as unknown },
    });
  });

  test('tables hold what a name or a config can be, byte by byte', async () => {
    await open();
    expect(
      await query(`select distinct table_collation as c, engine as e from information_schema.tables
                   where table_schema = database()`),
    ).toEqual([{ c: 'utf8mb4_bin', e: 'InnoDB' }]);
  });

  test('a migration that broke off goes on where it was; a newer schema is refused with 78', async () => {
    await (await open()).topics.create(Topic.fromPartial({ name: 'orders' }), 0);
    await metadata?.close();
    await query('delete from schema_migration where version > 1');
    expect(await (await open()).topics.get('orders')).toMatchObject({ id: 1 });
    await metadata?.close();
    const next = { version: MIGRATIONS.length + 1, name: 'next', up: () => Promise.resolve() };
    await (await open({ migrations: [...MIGRATIONS, next] })).close();
    await expect(open()).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW', exitCode: 78 });
  });

  test('two that open at once migrate one after the other, and one leads', async () => {
    const migrations = [
      ...MIGRATIONS,
      {
        version: MIGRATIONS.length + 1,
        name: 'slow',
        up: async (db: Parameters<(typeof MIGRATIONS)[0]['up']>[0]) => {
          await sql`select sleep(0.2)`.execute(db);
        },
      },
    ];
    const both = await Promise.all([1, 2].map(() => openMetadata({ ...database, migrations })));
    const followed = new AbortController();
    const terms = await Promise.allSettled(
      both.map((one, index) =>
        one.lead({
          holder: `meta-${index}:4370`,
          signal: followed.signal,
          onFollowing: () => {
            followed.abort(new Error('follows'));
          },
        }),
      ),
    );
    expect(terms.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await Promise.all(terms.flatMap((term) => (term.status === 'fulfilled' ? [term.value.resign()] : [])));
    await Promise.all(both.map((one) => one.close()));
  });

  test('a lock that another session holds is STORAGE_UNAVAILABLE, and nothing was changed', async () => {
    const { topics } = await open();
    const other = await database.connect();
    await other.query('start transaction');
    await other.query('select * from leadership for update');
    await expect(topics.create(Topic.fromPartial({ name: 'orders' }), 0)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
    });
    await other.query('rollback');
    await other.end();
    expect(await topics.get('orders')).toBeUndefined();
    expect(await topics.create(Topic.fromPartial({ name: 'orders' }), 0)).toMatchObject({ created: true });
  });

  describe('broker leases', () => {
    const owner = { broker: 'b1', incarnation: 2 ** 53 - 1 };
    const assignment: PersistedAssignment = {
      ...{ topic: 'orders', partition: 0, ...owner, epoch: 3, created: true, dataDirectory: '', dataSource: 'm1' },
      pinned: false,
    };
    const changes = { assignments: [assignment], brokers: [], forgottenBrokers: [], registered: [owner] };
    const successor = { ...owner, incarnation: 5 };

    test('a broker renews as long as it is the registered process, and reads what it owns', async () => {
      const { leases, topics } = await open();
      await topics.create(Topic.fromPartial({ name: 'orders' }), 0);
      await using lease = openBrokerLease({ ...database, process: owner })!;
      expect(await lease.renew(10_000)).toBe(false);
      await leases.save(changes);
      expect(await lease.renew(10_000)).toBe(true);
      expect(await lease.assignments()).toEqual([assignment]);
      await leases.save({ ...changes, registered: [successor] });
      expect(await lease.renew(10_000)).toBe(false);
    });

    test('a broker’s own user needs to read three tables and to change one', async () => {
      const { leases, topics } = await open();
      await topics.create(Topic.fromPartial({ name: 'orders' }), 0);
      await leases.save(changes);
      const user = `b${database.name.slice(-8)}`;
      const accounts = ['localhost', '%'].map((host) => `'${user}'@'${host}'`);
      const passwordFile = join(database.directory, 'of-the-broker');
      writeFileSync(passwordFile, 'only-this\n');
      for (const account of accounts) {
        await query(`create user ${account} identified by 'only-this'`);
        for (const table of ['assignment', 'topic', 'broker_lease']) {
          await query(`grant select on ${database.name}.${table} to ${account}`);
        }
        await query(`grant update on ${database.name}.broker_lease to ${account}`);
      }
      const url = database.url.replace(/\/\/[^@]*@/, `//${user}@`);
      await using lease = openBrokerLease({ url, passwordFile, process: owner })!;
      expect(await lease.renew(10_000)).toBe(true);
      expect(await lease.assignments()).toEqual([assignment]);
      await query(`drop user ${accounts.join(', ')}`);
    });

    test('a lease that was renewed is ended once it has run out, and can be renewed no more', async () => {
      const { brokerLeases, leases } = await open();
      await leases.save(changes);
      await using lease = openBrokerLease({ ...database, process: owner })!;
      await lease.renew(10_000);
      // Registered once more, as at a new stream: what it has renewed stays.
      await leases.save(changes);
      const lastsMs = (await brokerLeases?.end(owner, 0)) ?? 0;
      expect(lastsMs).toBeGreaterThan(5_000);
      expect(lastsMs).toBeLessThanOrEqual(10_000);
      expect(await lease.renew(1)).toBe(true);
      await eventually(async () => {
        expect(await brokerLeases?.end(owner, 0)).toBe(0);
      });
      expect(await lease.renew(10_000)).toBe(false);
      await leases.save(changes);
      expect(await lease.renew(10_000)).toBe(true);
    });

    test('one that lasts no longer than told is ended early; one that never was renewed has ended', async () => {
      const { brokerLeases, leases } = await open();
      await leases.save(changes);
      expect(await brokerLeases?.end(owner, -500)).toBe(0);
      await leases.save(changes);
      await using lease = openBrokerLease({ ...database, process: owner })!;
      await lease.renew(10_000);
      expect(await brokerLeases?.end(owner, 11_000)).toBe(0);
      expect(await lease.renew(10_000)).toBe(false);
    });

    test('the end of one process leaves its successor’s lease alone', async () => {
      const { brokerLeases, leases } = await open();
      await leases.save({ ...changes, registered: [owner, successor] });
      await using lease = openBrokerLease({ ...database, process: successor })!;
      await lease.renew(10_000);
      expect(await brokerLeases?.end(owner, 0)).toBe(0);
      expect(await lease.renew(10_000)).toBe(true);
    });
  });
});
