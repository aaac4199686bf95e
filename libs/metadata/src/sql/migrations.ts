import { type Kysely, sql } from 'kysely';

import { addColumn, type SqlEngine } from './engine.js';

/**
 * One step of the schema. Steps are numbered 1, 2, 3…, never changed once released, and never removed. They only add:
 * an older process may still work beside. On MySQL a step may run again after it broke off.
 */
export interface Migration {
  readonly version: number;
  readonly name: string;
  up(database: Kysely<unknown>, engine: SqlEngine): Promise<void>;
}

/** Longest name of anything in the contract, and room for identifiers that hold more. */
const NAME_LENGTH = 255;

const name = `varchar(${NAME_LENGTH})` as const;

const initial: Migration = {
  version: 1,
  name: 'topics, groups, assignments, brokers',
  up: async (database, engine) => {
    await engine
      .createTable(database, 'counter')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute();
    await engine
      .createTable(database, 'leadership')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('broker_lease_ttl_ms', 'bigint', (column) => column.notNull())
      .execute();
    await engine
      .createTable(database, 'topic')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('name', name, (column) => column.notNull().unique())
      .addColumn('partitions', 'integer', (column) => column.notNull())
      .addColumn('config', engine.text, (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('config_revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await engine
      .createTable(database, 'topic_group')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('topic_id', 'bigint', (column) => column.notNull())
      .addColumn('name', name, (column) => column.notNull())
      .addColumn('config', engine.text, (column) => column.notNull())
      .addColumn('created_revision', 'bigint', (column) => column.notNull())
      .addColumn('config_revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('active', 'smallint', (column) => column.notNull())
      .addUniqueConstraint('topic_group_name', ['topic_id', 'name'])
      .execute();
    await engine
      .createTable(database, 'assignment')
      .addColumn('topic_id', 'bigint', (column) => column.notNull())
      .addColumn('partition_number', 'integer', (column) => column.notNull())
      .addColumn('broker', name, (column) => column.notNull())
      .addColumn('incarnation', 'bigint', (column) => column.notNull())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('created', 'smallint', (column) => column.notNull())
      .addColumn('data_directory', name, (column) => column.notNull())
      .addPrimaryKeyConstraint('assignment_key', ['topic_id', 'partition_number'])
      .execute();
    await engine
      .createTable(database, 'broker')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('incarnation', 'bigint', (column) => column.notNull())
      .addColumn('endpoint', name, (column) => column.notNull())
      .addColumn('zone', name, (column) => column.notNull())
      .addColumn('broker_group', name, (column) => column.notNull())
      .addColumn('data_directory', name, (column) => column.notNull())
      .addColumn('drained', 'smallint', (column) => column.notNull())
      .execute();
  },
};

const dataSources: Migration = {
  version: 2,
  name: 'data sources',
  up: async (database, engine) => {
    await engine
      .createTable(database, 'data_source')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('config', engine.text, (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await engine
      .createTable(database, 'topic_data_source')
      .addColumn('topic_id', 'bigint', (column) => column.notNull())
      .addColumn('data_source', name, (column) => column.notNull())
      .addPrimaryKeyConstraint('topic_data_source_key', ['topic_id', 'data_source'])
      .execute();
    const definition = sql`varchar(255) not null default ''`;
    await addColumn(database, { table: 'assignment', column: 'data_source', definition });
  },
};

const sharedDatabase: Migration = {
  version: 3,
  name: 'leadership and broker leases by the database’s clock',
  up: async (database, engine) => {
    if (engine.name === 'sqlite') {
      // Its lock file is the leadership, and no broker can reach it.
      return;
    }
    await engine
      .createTable(database, 'broker_lease')
      .addColumn('broker', name, (column) => column.primaryKey())
      .addColumn('incarnation', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .execute();
    const table = 'leadership';
    await addColumn(database, { table, column: 'holder', definition: sql`varchar(255) not null default ''` });
    for (const column of ['incarnation', 'expires_at', 'connection_id', 'write_seq']) {
      await addColumn(database, { table, column, definition: sql`bigint not null default 0` });
    }
  },
};

const manualMoves: Migration = {
  version: 4,
  name: 'moves by hand',
  up: async (database) => {
    await addColumn(database, { table: 'assignment', column: 'pinned', definition: sql`smallint not null default 0` });
  },
};

const metaServers: Migration = {
  version: 5,
  name: 'meta-servers and their terms',
  up: async (database, engine) => {
    await engine
      .createTable(database, 'meta_server')
      .addColumn('endpoint', name, (column) => column.primaryKey())
      .addColumn('seen_at', 'bigint', (column) => column.notNull())
      .execute();
    await engine
      .createTable(database, 'leadership_term')
      .addColumn('epoch', 'bigint', (column) => column.primaryKey())
      .addColumn('endpoint', name, (column) => column.notNull())
      .addColumn('since', 'bigint', (column) => column.notNull())
      .execute();
  },
};

/** All steps, in order. */
export const MIGRATIONS: readonly Migration[] = [initial, dataSources, sharedDatabase, manualMoves, metaServers];
