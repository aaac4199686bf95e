import { type Kysely, sql } from 'kysely';

import { MetadataError } from '../metadata-error.js';
import { type SqlEngine } from './engine.js';
import { type Migration } from './migrations.js';

interface MigrationSchema {
  schema_migration: { version: number; name: string };
}

/** What a migration run needs beside the database. */
export interface MigrateOptions {
  readonly migrations: readonly Migration[];
  /** Names the database in errors. */
  readonly databaseName: string;
  readonly engine: SqlEngine;
  /** Copies the database as it is at `version`; called before an existing one is changed. */
  readonly backUp?: (version: number) => Promise<void>;
}

/** Brings the schema to the newest version, one transaction per step. A newer schema is left alone: SCHEMA_TOO_NEW. */
export async function migrate(database: Kysely<unknown>, options: MigrateOptions): Promise<void> {
  const db = database as Kysely<MigrationSchema>;
  const newest = options.migrations.at(-1)?.version ?? 0;
  const current = await schemaVersion(db, options.engine);
  if (current > newest) {
    throw new MetadataError(
      'SCHEMA_TOO_NEW',
      `${options.databaseName} has schema version ${current}, this program knows up to ${newest}: use a newer program`,
    );
  }
  if (current > 0 && current < newest) {
    await options.backUp?.(current);
  }
  for (const migration of options.migrations.filter(({ version }) => version > current)) {
    await db.transaction().execute(async (tx) => {
      await migration.up(tx as unknown as Kysely<unknown>, options.engine);
      await tx.insertInto('schema_migration').values({ version: migration.version, name: migration.name }).execute();
    });
  }
}

async function schemaVersion(db: Kysely<MigrationSchema>, engine: SqlEngine): Promise<number> {
  await engine
    .createTable(db as unknown as Kysely<unknown>, 'schema_migration')
    .ifNotExists()
    .addColumn('version', 'integer', (column) => column.primaryKey())
    .addColumn('name', 'varchar(255)', (column) => column.notNull())
    .execute();
  const row = await db
    .selectFrom('schema_migration')
    .select(sql<number | null>`max(version)`.as('version'))
    .executeTakeFirst();
  return row?.version ?? 0;
}
