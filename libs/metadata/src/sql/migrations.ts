import { type Kysely } from 'kysely';

/** One step of the schema. Steps are numbered 1, 2, 3…, never changed once released, and never removed. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  up(database: Kysely<unknown>): Promise<void>;
}

/** Longest name of anything in the contract, and room for identifiers that hold more. */
const NAME_LENGTH = 255;

const name = `varchar(${NAME_LENGTH})` as const;

const initial: Migration = {
  version: 1,
  name: 'topics, groups, assignments, brokers',
  up: async ({ schema }) => {
    await schema
      .createTable('counter')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute();
    await schema
      .createTable('leadership')
      .addColumn('name', name, (column) => column.primaryKey())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('broker_lease_ttl_ms', 'bigint', (column) => column.notNull())
      .execute();
    await schema
      .createTable('topic')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('name', name, (column) => column.notNull().unique())
      .addColumn('partitions', 'integer', (column) => column.notNull())
      .addColumn('config', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('config_revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute();
    await schema
      .createTable('topic_group')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('topic_id', 'bigint', (column) => column.notNull())
      .addColumn('name', name, (column) => column.notNull())
      .addColumn('config', 'text', (column) => column.notNull())
      .addColumn('created_revision', 'bigint', (column) => column.notNull())
      .addColumn('config_revision', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('active', 'smallint', (column) => column.notNull())
      .addUniqueConstraint('topic_group_name', ['topic_id', 'name'])
      .execute();
    await schema
      .createTable('assignment')
      .addColumn('topic_id', 'bigint', (column) => column.notNull())
      .addColumn('partition_number', 'integer', (column) => column.notNull())
      .addColumn('broker', name, (column) => column.notNull())
      .addColumn('incarnation', 'bigint', (column) => column.notNull())
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('created', 'smallint', (column) => column.notNull())
      .addColumn('data_directory', name, (column) => column.notNull())
      .addPrimaryKeyConstraint('assignment_key', ['topic_id', 'partition_number'])
      .execute();
    await schema
      .createTable('broker')
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

/** All steps, in order. */
export const MIGRATIONS: readonly Migration[] = [initial];
