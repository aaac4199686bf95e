import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { Group, Topic } from '@hermes/contracts';
import SqliteDatabase from 'better-sqlite3';
import { sql } from 'kysely';

import { type Metadata } from './metadata.js';
import { type Migration, MIGRATIONS } from './migrations.js';
import { openMetadata } from './open-metadata.js';

const topic = (name: string, partitions = 4): Topic => Topic.fromPartial({ name, partitions, maxBodyBytes: 1024 });
const group = (topicName: string, name: string): Group => Group.fromPartial({ topic: topicName, name });

describe('metadata', () => {
  let directory: string;
  let metadata: Metadata | undefined;

  const open = async (migrations?: readonly Migration[]): Promise<Metadata> => {
    metadata = await openMetadata({
      url: `sqlite:${join(directory, 'meta.db')}`,
      ...(migrations === undefined ? {} : { migrations }),
    });
    return metadata;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'hermes-metadata-'));
  });

  afterEach(async () => {
    await metadata?.close();
    metadata = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  describe('topics and groups', () => {
    test('come back after a restart with their ids, revisions and configs', async () => {
      const first = await open();
      await first.topics.create(topic('orders'), 1_000);
      const created = await first.groups.create(group('orders', 'billing'), 2_000);
      expect(created).toMatchObject({ created: true, topicRevision: 2, record: { id: 1, active: false } });
      await first.groups.activate(1);
      await first.close();

      const second = await open();
      expect(await second.topics.get('orders')).toMatchObject({
        id: 1,
        revision: 2,
        configRevision: 1,
        createdAtMs: 1_000,
        config: topic('orders'),
      });
      expect(await second.groups.get('orders', 'billing')).toMatchObject({
        createdRevision: 2,
        active: true,
        config: group('orders', 'billing'),
      });
    });

    test('a taken name is answered with what has it', async () => {
      const { topics, groups } = await open();
      await topics.create(topic('orders', 4), 0);
      expect(await topics.create(topic('orders', 8), 0)).toMatchObject({
        created: false,
        record: { config: { partitions: 4 } },
      });
      await groups.create(group('orders', 'g'), 0);
      expect(await groups.create(group('orders', 'g'), 0)).toMatchObject({ created: false, topicRevision: 2 });
      expect(await groups.create(group('nothing', 'g'), 0)).toBeUndefined();
    });

    test('ids are never reused, also not after a restart', async () => {
      const first = await open();
      await first.topics.create(topic('a'), 0);
      await first.topics.delete('a', () => undefined);
      await first.close();
      const second = await open();
      expect((await second.topics.create(topic('a'), 0)).record.id).toBe(2);
    });

    test('an update raises the revision, an equal one does not, and a refused one changes nothing', async () => {
      const { topics, groups } = await open();
      await topics.create(topic('orders'), 0);
      await groups.create(group('orders', 'g'), 0);
      expect(await topics.update('orders', ({ config }) => ({ ...config, paused: true }))).toMatchObject({
        revision: 3,
        configRevision: 3,
      });
      expect(await topics.update('orders', ({ config }) => config)).toMatchObject({ revision: 3 });
      await expect(
        topics.update('orders', () => {
          throw new Error('etag');
        }),
      ).rejects.toThrow('etag');
      expect(await groups.update('orders', 'g', ({ config }) => ({ ...config, paused: true }))).toMatchObject({
        topicRevision: 4,
        record: { configRevision: 4, config: { paused: true } },
      });
      expect(await topics.get('orders')).toMatchObject({ revision: 4, configRevision: 3, config: { paused: true } });
      expect(await topics.update('nothing', ({ config }) => config)).toBeUndefined();
    });

    test('deleting a topic takes its groups and assignments along; a late write leaves no row behind', async () => {
      const { topics, groups, leases } = await open();
      await topics.create(topic('orders'), 0);
      await groups.create(group('orders', 'g'), 0);
      const row = {
        topic: 'orders',
        partition: 0,
        broker: 'b',
        incarnation: 7,
        epoch: 1,
        created: false,
        dataDirectory: 'd',
      };
      const save = (...assignments: (typeof row)[]): Promise<void> =>
        leases.save({ assignments, brokers: [], forgottenBrokers: [] });
      await save(row, { ...row, partition: 1 });
      await save({ ...row, epoch: 2, created: true });
      expect((await leases.load()).assignments).toEqual([
        { ...row, epoch: 2, created: true },
        { ...row, partition: 1 },
      ]);
      await topics.delete('orders', () => undefined);
      await save(row);
      await topics.create(topic('orders'), 0);
      expect((await leases.load()).assignments).toEqual([]);
      expect(await groups.list('orders', { after: '', limit: 10 })).toEqual([]);
    });

    test('lists go by name, in pages', async () => {
      const { topics, groups } = await open();
      for (const name of ['c', 'a', 'b']) {
        await topics.create(topic(name, 2), 0);
        await groups.create(group('c', name), 0);
      }
      expect((await topics.list({ after: '', limit: 2 })).map(({ config }) => config.name)).toEqual(['a', 'b']);
      expect((await topics.list({ after: 'b', limit: 2 })).map(({ config }) => config.name)).toEqual(['c']);
      expect((await groups.list('c', { after: 'a', limit: 9 })).map(({ config }) => config.name)).toEqual(['b', 'c']);
      expect(await topics.totals()).toEqual({ topics: 3, partitions: 6 });
      expect(await groups.count('c')).toBe(3);
    });

    test('brokers are remembered with their drains until they are forgotten', async () => {
      const { leases } = await open();
      const broker = {
        name: 'b1',
        incarnation: 2 ** 53 - 1,
        endpoint: '127.0.0.1:1',
        zone: '',
        brokerGroup: 'default',
        dataDirectory: 'd1',
        drained: false,
      };
      await leases.save({ assignments: [], brokers: [broker], forgottenBrokers: [] });
      await leases.save({ assignments: [], brokers: [{ ...broker, drained: true }], forgottenBrokers: [] });
      expect((await leases.load()).brokers).toEqual([{ ...broker, drained: true }]);
      await leases.save({ assignments: [], brokers: [], forgottenBrokers: ['b1'] });
      expect((await leases.load()).brokers).toEqual([]);
    });
  });

  test('the TTL of before a start is known', async () => {
    expect(await (await open()).leases.replaceTtl(60_000)).toBe(0);
    await metadata?.close();
    expect(await (await open()).leases.replaceTtl(10_000)).toBe(60_000);
  });

  describe('opening', () => {
    test('the leadership epoch grows by one at each start', async () => {
      expect((await open()).leadershipEpoch).toBe(1);
      await metadata?.close();
      expect((await open()).leadershipEpoch).toBe(2);
    });

    test('makes the directory when it is missing', async () => {
      directory = join(directory, 'deep', 'er');
      await open();
      expect(existsSync(join(directory, 'meta.db'))).toBe(true);
    });

    test('a second opener is refused with 69 and the name of the lock file, in this process or another', async () => {
      const lockPath = join(directory, 'meta.lock');
      await open();
      await expect(openMetadata({ url: `sqlite:${join(directory, 'meta.db')}` })).rejects.toMatchObject({
        code: 'LOCKED',
        exitCode: 69,
        message: expect.stringContaining(lockPath) as unknown,
      });
      await metadata?.close();

      const holder = spawn(process.execPath, [
        '-e',
        `const D=require('better-sqlite3');const d=new D(process.argv[1]);d.exec('BEGIN EXCLUSIVE');console.log('held');setInterval(()=>{},1e6)`,
        lockPath,
      ]);
      await once(holder.stdout, 'data');
      await expect(open()).rejects.toMatchObject({ code: 'LOCKED' });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await open();
    });

    test('a newer schema is refused with 78, naming both versions', async () => {
      await open();
      await metadata?.close();
      const file = new SqliteDatabase(join(directory, 'meta.db'));
      file.prepare(`insert into schema_migration (version, name) values (99, 'future')`).run();
      file.close();
      await expect(open()).rejects.toMatchObject({
        code: 'SCHEMA_TOO_NEW',
        exitCode: 78,
        message: expect.stringMatching(/version 99.*up to 1/) as unknown,
      });
    });

    test('an older schema is copied, then migrated', async () => {
      const { topics } = await open();
      await topics.create(topic('orders'), 0);
      await metadata?.close();
      const next: Migration = {
        version: 2,
        name: 'one more column',
        up: async (db) => {
          await sql`alter table topic add column owner varchar(10)`.execute(db);
        },
      };
      const migrated = await open([...MIGRATIONS, next]);
      expect(await migrated.topics.get('orders')).toMatchObject({ id: 1 });
      const copy = new SqliteDatabase(join(directory, 'meta.db.schema-1'));
      expect(copy.prepare('select name from topic').all()).toEqual([{ name: 'orders' }]);
      expect(copy.prepare('select max(version) as version from schema_migration').get()).toEqual({ version: 1 });
      copy.close();
    });

    test('a failed migration leaves the schema as it was', async () => {
      await open();
      await metadata?.close();
      const broken: Migration = {
        version: 2,
        name: 'broken',
        up: async (db) => {
          await sql`create table half (id int)`.execute(db);
          await sql`no such statement`.execute(db);
        },
      };
      await expect(open([...MIGRATIONS, broken])).rejects.toMatchObject({ code: 'UNREADABLE' });
      const reopened = await open();
      expect(await reopened.topics.totals()).toEqual({ topics: 0, partitions: 0 });
    });

    test.each(['mysql://h/db', 'sqlite:', 'sqlite::memory:', ''])('the URL %p is refused', async (url) => {
      await expect(openMetadata({ url })).rejects.toMatchObject({ code: 'URL_INVALID', exitCode: 78 });
    });

    test('a directory that is a file, and a file that is no database, are named', async () => {
      const file = join(directory, 'file');
      writeFileSync(file, 'x'.repeat(5_000));
      await expect(openMetadata({ url: `sqlite:${file}/meta.db` })).rejects.toMatchObject({
        code: 'DIRECTORY_UNUSABLE',
        message: expect.stringContaining(file) as unknown,
      });
      await expect(openMetadata({ url: `sqlite:${file}` })).rejects.toMatchObject({
        code: 'UNREADABLE',
        message: expect.stringContaining('not a database') as unknown,
      });
    });

    const asRoot = process.getuid?.() === 0;
    (asRoot ? test.skip : test)('a directory without write permission is named', async () => {
      chmodSync(directory, 0o500);
      await expect(open()).rejects.toMatchObject({ code: 'DIRECTORY_UNUSABLE', exitCode: 78 });
    });
  });
});
