import { StoreError } from '@hermes/log';
import Database from 'better-sqlite3';

import { LANE_TABLE } from './lane-table.js';
import { MIGRATIONS } from './migrations.js';
import { sqliteFault } from './sqlite-fault.js';

/** Fewer, larger pages: 1.5 × the rows per second of the default 4 KiB with 1 KiB records. */
const PAGE_BYTES = 16 * 1024;

/** Pages each connection keeps. */
const CACHE_KIB = 16 * 1024;

/** A shard file's two connections, both of one thread. */
export interface ShardFile {
  readonly path: string;
  /** Everything that writes. */
  readonly writer: Database.Database;
  /** Reads between commits; cannot write. */
  readonly reader: Database.Database;
}

/** Opens or makes the file, durable and at the newest schema. Fails with `schemaNewer` or `fatal`. */
export function openShardFile(path: string): ShardFile {
  try {
    const writer = new Database(path);
    writer.pragma(`page_size = ${PAGE_BYTES}`);
    writer.pragma('journal_mode = WAL');
    configure(writer);
    migrate(writer, path);
    const reader = new Database(path, { readonly: true });
    reader.pragma(`cache_size = -${CACHE_KIB}`);
    return { path, writer, reader };
  } catch (error) {
    throw sqliteFault(error, `open ${path}`);
  }
}

function configure(writer: Database.Database): void {
  // An answer is given after fsync, never before; a test counts them.
  writer.pragma('synchronous = FULL');
  // Where fsync does not reach the disk (macOS) this does; elsewhere it means nothing.
  writer.pragma('fullfsync = ON');
  writer.pragma(`cache_size = -${CACHE_KIB}`);
  // The worker checkpoints between commits, after their answers: see Shard.
  writer.pragma('wal_autocheckpoint = 0');
  writer.pragma('temp_store = MEMORY');
}

function migrate(writer: Database.Database, path: string): void {
  const found = writer.pragma('user_version', { simple: true }) as number;
  if (found > MIGRATIONS.length) {
    throw new StoreError(
      'schemaNewer',
      `${path} has schema version ${found}, this program knows ${MIGRATIONS.length}: use a newer program`,
      { details: { path, found, known: MIGRATIONS.length } },
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index >= found) {
      writer.transaction(() => {
        for (const statement of sql.split(';')) {
          for (const lane of statement.includes('$lane') ? laneTables(writer) : ['']) {
            writer.exec(statement.replaceAll('$lane', lane));
          }
        }
        writer.pragma(`user_version = ${index + 1}`);
      })();
    }
  }
}

function laneTables(writer: Database.Database): string[] {
  const names = writer.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).pluck().all() as string[];
  return names.filter((name) => LANE_TABLE.test(name));
}
