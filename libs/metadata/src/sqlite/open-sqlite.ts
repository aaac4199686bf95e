import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import SqliteDatabase from 'better-sqlite3';
import { Kysely, sql } from 'kysely';

import { MetadataError } from '../metadata-error.js';
import { soleLeadership } from '../leadership.js';
import { type MetadataOptions } from '../metadata-options.js';
import { type Candidacy, type Metadata, type MetadataDatabase } from '../metadata.js';
import { SQLITE } from '../sql/engine.js';
import { migrate } from '../sql/migrate.js';
import { type Migration, MIGRATIONS } from '../sql/migrations.js';
import { type Schema, type SqlAccess } from '../sql/schema.js';
import { SqlDataSources } from '../sql/sql-data-sources.js';
import { SqlGroups } from '../sql/sql-groups.js';
import { LEADERSHIP, SqlLeases } from '../sql/sql-leases.js';
import { saveTerm, SqlMetaServers } from '../sql/sql-meta-servers.js';
import { SqlTopics } from '../sql/sql-topics.js';
import { acquireFileLock, type FileLock } from './file-lock.js';
import { FaultMappingSqliteDialect } from './sqlite-dialect.js';

/** The machine's clock. */
const NOW_MS = sql<number>`cast(unixepoch('subsec') * 1000 as integer)`;

/** What the URL of an SQLite database starts with. */
export const SQLITE_SCHEME = 'sqlite:';

/**
 * Opens an SQLite file for its only meta-server: makes its directory, takes its lock and migrates its schema. Every
 * write is on disk when its promise resolves. Whoever has the file leads at once.
 */
export async function openSqliteMetadata(options: MetadataOptions): Promise<MetadataDatabase> {
  const path = sqlitePath(options.url);
  const lock = lockDirectory(path);
  let sqlite: SqliteDatabase.Database | undefined;
  try {
    sqlite = openSqlite(path);
    return await openSchema(sqlite, { path, lock, migrations: options.migrations ?? MIGRATIONS });
  } catch (error) {
    sqlite?.close();
    lock.release();
    if (error instanceof MetadataError) {
      throw error;
    }
    throw new MetadataError('UNREADABLE', `cannot open ${path}: ${reasonOf(error)}`, error);
  }
}

/** The file that a URL names; URL_INVALID if it names none. */
export function sqlitePath(url: string): string {
  const path = url.slice(SQLITE_SCHEME.length);
  if (!url.startsWith(SQLITE_SCHEME) || path === '' || path === ':memory:') {
    throw new MetadataError('URL_INVALID', 'the metadata URL must be sqlite:PATH, with the path of a file');
  }
  return path;
}

function lockDirectory(path: string): FileLock {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return acquireFileLock(`${path.replace(/\.db$/, '')}.lock`);
  } catch (error) {
    if (error instanceof MetadataError) {
      throw error;
    }
    throw new MetadataError('DIRECTORY_UNUSABLE', `cannot write to ${dirname(path)}: ${reasonOf(error)}`, error);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function openSqlite(path: string): SqliteDatabase.Database {
  const sqlite = new SqliteDatabase(path);
  sqlite.pragma('journal_mode = WAL');
  // An assignment that was granted must survive a power cut: its epoch may never be granted again.
  sqlite.pragma('synchronous = FULL');
  return sqlite;
}

async function openSchema(
  sqlite: SqliteDatabase.Database,
  { path, lock, migrations }: { path: string; lock: FileLock; migrations: readonly Migration[] },
): Promise<MetadataDatabase> {
  const db = new Kysely<Schema>({ dialect: new FaultMappingSqliteDialect({ database: sqlite }) });
  await migrate(db as Kysely<unknown>, {
    migrations,
    engine: SQLITE,
    databaseName: path,
    backUp: async (version) => {
      await sqlite.backup(`${path}.schema-${version}`);
    },
  });
  const access: SqlAccess = { db, write: (action) => db.transaction().execute(action) };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= db.destroy().then(() => {
      lock.release();
    }));
  const stores = {
    topics: new SqlTopics(access),
    groups: new SqlGroups(access),
    dataSources: new SqlDataSources(access),
    leases: new SqlLeases(access),
    brokerLeases: undefined,
  };
  const lead = async ({ holder }: Candidacy): Promise<Metadata> => {
    const leadership = soleLeadership(await raiseLeadershipEpoch(db, holder));
    return { ...stores, leadership, resign: () => Promise.resolve() };
  };
  const metaServers = new SqlMetaServers(db, NOW_MS);
  return { reads: stores, metaServers, lead, close, [Symbol.asyncDispose]: close };
}

async function raiseLeadershipEpoch(db: Kysely<Schema>, endpoint: string): Promise<number> {
  const name = LEADERSHIP;
  return db.transaction().execute(async (tx) => {
    const row = await tx.selectFrom('leadership').select('epoch').where('name', '=', name).executeTakeFirst();
    const epoch = (row?.epoch ?? 0) + 1;
    await (row === undefined
      ? tx.insertInto('leadership').values({ name, epoch, broker_lease_ttl_ms: 0 }).execute()
      : tx.updateTable('leadership').set({ epoch }).where('name', '=', name).execute());
    await saveTerm(tx, { endpoint, epoch }, NOW_MS);
    return epoch;
  });
}
