import { type CreateTableBuilder, type Kysely, type RawBuilder, sql } from 'kysely';

/** Where two SQL engines need different words for the same table. */
export interface SqlEngine {
  readonly name: 'sqlite' | 'mysql';
  /** Text of any length. */
  readonly text: RawBuilder<unknown>;
  /** Starts a table; one that a broken migration has left is kept. */
  createTable(database: Kysely<unknown>, table: string): CreateTableBuilder<string>;
}

/** SQLite; its migrations are transactions. */
export const SQLITE: SqlEngine = {
  name: 'sqlite',
  text: sql`text`,
  createTable: ({ schema }, table) => schema.createTable(table),
};

/**
 * MySQL and MariaDB. Names compare byte by byte, as in SQLite: `A` and `a` are two topics. A table that exists was made
 * by the same step before it broke off: DDL is no transaction here.
 */
export const MYSQL: SqlEngine = {
  name: 'mysql',
  text: sql`mediumtext`,
  createTable: ({ schema }, table) =>
    schema
      .createTable(table)
      .ifNotExists()
      .modifyEnd(sql`engine = InnoDB default character set utf8mb4 collate utf8mb4_bin`),
};

/** Adds a column unless a broken migration has added it. */
export async function addColumn(
  database: Kysely<unknown>,
  { table, column, definition }: { table: string; column: string; definition: RawBuilder<unknown> },
): Promise<void> {
  const tables = await database.introspection.getTables();
  const found = tables.find(({ name }) => name === table)?.columns.some(({ name }) => name === column);
  if (found !== true) {
    await sql`alter table ${sql.table(table)} add column ${sql.ref(column)} ${definition}`.execute(database);
  }
}
