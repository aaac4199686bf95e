import { Group, GroupState } from '@hermes/contracts';
import { type Selectable } from 'kysely';

import {
  type CreateOutcome,
  type GroupRecord,
  type GroupStore,
  type PageRequest,
  type TopicRecord,
  type TopicRevision,
} from '../metadata.js';
import { type Database, type Schema, type SqlAccess, type Tx } from './schema.js';
import { nextId } from './counter.js';
import { raiseRevision, selectTopic } from './sql-topics.js';

type Row = Selectable<Schema['topic_group']>;
type Changed = { record: GroupRecord } & TopicRevision;

/** Groups in SQL. */
export class SqlGroups implements GroupStore {
  readonly #sql: SqlAccess;

  constructor(sql: SqlAccess) {
    this.#sql = sql;
  }

  create(config: Group, createdAtMs: number): Promise<(CreateOutcome<GroupRecord> & TopicRevision) | undefined> {
    return this.#sql.write(async (tx) => {
      const topic = await selectTopic(tx, config.topic);
      if (topic === undefined) {
        return undefined;
      }
      const taken = await selectGroup(tx, topic, config.name);
      if (taken !== undefined) {
        return { record: taken, created: false, topicRevision: topic.revision };
      }
      const topicRevision = await raiseRevision(tx, topic);
      const row: Row = {
        id: await nextId(tx, 'group'),
        topic_id: topic.id,
        name: config.name,
        config: encode(config),
        created_revision: topicRevision,
        config_revision: topicRevision,
        created_at: createdAtMs,
        active: 0,
      };
      await tx.insertInto('topic_group').values(row).execute();
      return { record: toRecord(row), created: true, topicRevision };
    });
  }

  async get(topicName: string, name: string): Promise<GroupRecord | undefined> {
    const topic = await selectTopic(this.#sql.db, topicName);
    return topic === undefined ? undefined : selectGroup(this.#sql.db, topic, name);
  }

  async list(topicName: string, { after, limit }: PageRequest): Promise<GroupRecord[]> {
    const rows = await this.#sql.db
      .selectFrom('topic_group')
      .innerJoin('topic', 'topic.id', 'topic_group.topic_id')
      .selectAll('topic_group')
      .where('topic.name', '=', topicName)
      .where('topic_group.name', '>', after)
      .orderBy('topic_group.name')
      .limit(limit)
      .execute();
    return rows.map(toRecord);
  }

  update(topicName: string, name: string, change: (current: GroupRecord) => Group): Promise<Changed | undefined> {
    return this.#onGroup(topicName, name, async (tx, topic, current) => {
      const config = encode(change(current));
      if (config === encode(current.config)) {
        return { record: current, topicRevision: topic.revision };
      }
      const topicRevision = await raiseRevision(tx, topic);
      await tx
        .updateTable('topic_group')
        .set({ config, config_revision: topicRevision })
        .where('id', '=', current.id)
        .execute();
      const record = await selectGroup(tx, topic, name);
      return record === undefined ? undefined : { record, topicRevision };
    });
  }

  delete(topicName: string, name: string, check: (current: GroupRecord) => void): Promise<Changed | undefined> {
    return this.#onGroup(topicName, name, async (tx, topic, record) => {
      check(record);
      await tx.deleteFrom('topic_group').where('id', '=', record.id).execute();
      return { record, topicRevision: await raiseRevision(tx, topic) };
    });
  }

  async activate(id: number): Promise<void> {
    await this.#sql.write((tx) => tx.updateTable('topic_group').set({ active: 1 }).where('id', '=', id).execute());
  }

  async count(topicName: string): Promise<number> {
    const row = await this.#sql.db
      .selectFrom('topic_group')
      .innerJoin('topic', 'topic.id', 'topic_group.topic_id')
      .select(({ fn }) => fn.countAll().as('groups'))
      .where('topic.name', '=', topicName)
      .executeTakeFirst();
    return Number(row?.groups ?? 0);
  }

  #onGroup<T>(
    topicName: string,
    name: string,
    action: (tx: Tx, topic: TopicRecord, current: GroupRecord) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.#sql.write(async (tx) => {
      const topic = await selectTopic(tx, topicName);
      const current = topic === undefined ? undefined : await selectGroup(tx, topic, name);
      return topic === undefined || current === undefined ? undefined : action(tx, topic, current);
    });
  }
}

async function selectGroup(db: Database | Tx, topic: TopicRecord, name: string): Promise<GroupRecord | undefined> {
  const row = await db
    .selectFrom('topic_group')
    .selectAll()
    .where('topic_id', '=', topic.id)
    .where('name', '=', name)
    .executeTakeFirst();
  return row === undefined ? undefined : toRecord(row);
}

function encode(config: Group): string {
  const stored = { ...config, uid: 0, etag: '', createdAt: undefined, state: GroupState.UNSPECIFIED };
  return JSON.stringify(Group.toJSON(stored));
}

function toRecord(row: Row): GroupRecord {
  return {
    id: row.id,
    config: Group.fromJSON(JSON.parse(row.config)),
    createdRevision: row.created_revision,
    configRevision: row.config_revision,
    createdAtMs: row.created_at,
    active: row.active !== 0,
  };
}
