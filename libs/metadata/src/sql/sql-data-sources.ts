import { DataSource } from '@hermes/contracts';
import { type Selectable } from 'kysely';

import {
  type CreateOutcome,
  type DataSourceDeletion,
  type DataSourceRecord,
  type DataSourceStore,
  type PageRequest,
} from '../metadata.js';
import { type Database, type Schema, type SqlAccess, type Tx } from './schema.js';

type Row = Selectable<Schema['data_source']>;

/** Data sources in SQL. */
export class SqlDataSources implements DataSourceStore {
  readonly #sql: SqlAccess;

  constructor(sql: SqlAccess) {
    this.#sql = sql;
  }

  create(config: DataSource, createdAtMs: number): Promise<CreateOutcome<DataSourceRecord>> {
    return this.#sql.write(async (tx) => {
      const taken = await select(tx, config.name);
      if (taken !== undefined) {
        return { record: taken, created: false };
      }
      const row = { name: config.name, config: JSON.stringify(DataSource.toJSON(config)), created_at: createdAtMs };
      await tx.insertInto('data_source').values(row).execute();
      return { record: toRecord(row), created: true };
    });
  }

  get(name: string): Promise<DataSourceRecord | undefined> {
    return select(this.#sql.db, name);
  }

  async list({ after, limit }: PageRequest): Promise<DataSourceRecord[]> {
    const rows = await this.#sql.db
      .selectFrom('data_source')
      .selectAll()
      .where('name', '>', after)
      .orderBy('name')
      .limit(limit)
      .execute();
    return rows.map(toRecord);
  }

  delete(name: string): Promise<DataSourceDeletion> {
    return this.#sql.write(async (tx) => {
      const usedBy = await selectUser(tx, name);
      if (usedBy !== undefined) {
        return { usedBy };
      }
      const { numDeletedRows } = await tx.deleteFrom('data_source').where('name', '=', name).executeTakeFirst();
      return numDeletedRows === 0n ? 'missing' : 'deleted';
    });
  }

  async count(): Promise<number> {
    const row = await this.#sql.db
      .selectFrom('data_source')
      .select(({ fn }) => fn.countAll().as('sources'))
      .executeTakeFirst();
    return Number(row?.sources ?? 0);
  }
}

async function select(db: Database | Tx, name: string): Promise<DataSourceRecord | undefined> {
  const row = await db.selectFrom('data_source').selectAll().where('name', '=', name).executeTakeFirst();
  return row === undefined ? undefined : toRecord(row);
}

/** A topic that names the data source, or has a partition there. */
async function selectUser(tx: Tx, dataSource: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('topic')
    .select('topic.name')
    .where((eb) =>
      eb.or([
        eb.exists(
          eb
            .selectFrom('topic_data_source')
            .select('topic_id')
            .whereRef('topic_id', '=', 'topic.id')
            .where('data_source', '=', dataSource),
        ),
        eb.exists(
          eb
            .selectFrom('assignment')
            .select('topic_id')
            .whereRef('topic_id', '=', 'topic.id')
            .where('data_source', '=', dataSource),
        ),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return row?.name;
}

function toRecord(row: Row): DataSourceRecord {
  return { config: DataSource.fromJSON(JSON.parse(row.config)), createdAtMs: row.created_at };
}
