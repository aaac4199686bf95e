import { Topic } from '@hermes/contracts';
import { type Selectable } from 'kysely';

import { nextId } from './counter.js';
import { type CreateOutcome, type PageRequest, type TopicRecord, type TopicStore } from '../metadata.js';
import { type Database, type Schema, type SqlAccess, type Tx } from './schema.js';

type Row = Selectable<Schema['topic']>;

/** Topics in SQL. */
export class SqlTopics implements TopicStore {
  readonly #sql: SqlAccess;

  constructor(sql: SqlAccess) {
    this.#sql = sql;
  }

  create(config: Topic, createdAtMs: number): Promise<CreateOutcome<TopicRecord>> {
    return this.#sql.write(async (tx) => {
      const taken = await selectTopic(tx, config.name);
      if (taken !== undefined) {
        return { record: taken, created: false };
      }
      const row: Row = {
        id: await nextId(tx, 'topic'),
        name: config.name,
        partitions: config.partitions ?? 0,
        config: encode(config),
        revision: 1,
        config_revision: 1,
        created_at: createdAtMs,
      };
      await tx.insertInto('topic').values(row).execute();
      if (config.dataSources.length > 0) {
        const named = config.dataSources.map((name) => ({ topic_id: row.id, data_source: name }));
        await tx.insertInto('topic_data_source').values(named).execute();
      }
      return { record: toRecord(row), created: true };
    });
  }

  get(name: string): Promise<TopicRecord | undefined> {
    return selectTopic(this.#sql.db, name);
  }

  async list({ after, limit }: PageRequest): Promise<TopicRecord[]> {
    const rows = await this.#sql.db
      .selectFrom('topic')
      .selectAll()
      .where('name', '>', after)
      .orderBy('name')
      .limit(limit)
      .execute();
    return rows.map(toRecord);
  }

  update(name: string, change: (current: TopicRecord) => Topic): Promise<TopicRecord | undefined> {
    return this.#sql.write(async (tx) => {
      const current = await selectTopic(tx, name);
      if (current === undefined) {
        return undefined;
      }
      const config = encode(change(current));
      if (config === encode(current.config)) {
        return current;
      }
      const revision = current.revision + 1;
      await tx
        .updateTable('topic')
        .set({ config, revision, config_revision: revision })
        .where('id', '=', current.id)
        .execute();
      return selectTopic(tx, name);
    });
  }

  delete(name: string, check: (current: TopicRecord) => void): Promise<TopicRecord | undefined> {
    return this.#sql.write(async (tx) => {
      const current = await selectTopic(tx, name);
      if (current === undefined) {
        return undefined;
      }
      check(current);
      await tx.deleteFrom('assignment').where('topic_id', '=', current.id).execute();
      await tx.deleteFrom('topic_group').where('topic_id', '=', current.id).execute();
      await tx.deleteFrom('topic_data_source').where('topic_id', '=', current.id).execute();
      await tx.deleteFrom('topic').where('id', '=', current.id).execute();
      return current;
    });
  }

  async totals(): Promise<{ topics: number; partitions: number }> {
    const row = await this.#sql.db
      .selectFrom('topic')
      .select(({ fn }) => [fn.countAll().as('topics'), fn.sum('partitions').as('partitions')])
      .executeTakeFirst();
    return { topics: Number(row?.topics ?? 0), partitions: Number(row?.partitions ?? 0) };
  }
}

/** Reads one topic, inside of a transaction or not. */
export async function selectTopic(db: Database | Tx, name: string): Promise<TopicRecord | undefined> {
  const row = await db.selectFrom('topic').selectAll().where('name', '=', name).executeTakeFirst();
  return row === undefined ? undefined : toRecord(row);
}

/** Raises the topic's revision for a change of one of its groups. */
export async function raiseRevision(tx: Tx, topic: TopicRecord): Promise<number> {
  const revision = topic.revision + 1;
  await tx.updateTable('topic').set({ revision }).where('id', '=', topic.id).execute();
  return revision;
}

function encode(config: Topic): string {
  return JSON.stringify(Topic.toJSON({ ...config, uid: 0, etag: '', createdAt: undefined }));
}

function toRecord(row: Row): TopicRecord {
  return {
    id: row.id,
    config: Topic.fromJSON(JSON.parse(row.config)),
    revision: row.revision,
    configRevision: row.config_revision,
    createdAtMs: row.created_at,
  };
}
