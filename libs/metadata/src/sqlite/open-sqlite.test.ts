import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Topic } from '@hermes/contracts';
import SqliteDatabase from 'better-sqlite3';
import { sql } from 'kysely';

import { lead, type LedMetadata } from '../../test/lead.js';
import { openMetadata } from '../open-metadata.js';
import { type Migration, MIGRATIONS } from '../sql/migrations.js';

const topic = (name: string): Topic => Topic.fromPartial({ name, partitions: 4 });
const NEWEST = MIGRATIONS.length;

describe('opening an SQLite file', () => {
  let directory: string;
  let metadata: LedMetadata | undefined;

  const open = async (migrations?: readonly Migration[]): Promise<LedMetadata> => {
    metadata = await lead({
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
      message: expect.stringMatching(new RegExp(`version 99.*up to ${NEWEST}`)) as unknown,
    });
  });

  test('an older schema is copied, then migrated', async () => {
    const { topics } = await open();
    await topics.create(topic('orders'), 0);
    await metadata?.close();
    const next: Migration = {
      version: NEWEST + 1,
      name: 'one more column',
      up: async (db) => {
        await sql`alter table topic add column owner varchar(10)`.execute(db);
      },
    };
    const migrated = await open([...MIGRATIONS, next]);
    expect(await migrated.topics.get('orders')).toMatchObject({ id: 1 });
    const copy = new SqliteDatabase(join(directory, `meta.db.schema-${NEWEST}`));
    expect(copy.prepare('select name from topic').all()).toEqual([{ name: 'orders' }]);
    expect(copy.prepare('select max(version) as version from schema_migration').get()).toEqual({ version: NEWEST });
    copy.close();
  });

  test('a failed migration leaves the schema as it was', async () => {
    await open();
    await metadata?.close();
    const broken: Migration = {
      version: NEWEST + 1,
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

  test.each(['mysql://h/db', 'sqlite:', 'sqlite::memory:', 'postgres://h/db', ''])(
    'the URL %p is refused',
    async (url) => {
      await expect(openMetadata({ url })).rejects.toMatchObject({ code: 'URL_INVALID', exitCode: 78 });
    },
  );

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
