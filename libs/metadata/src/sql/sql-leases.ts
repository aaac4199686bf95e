import { type BrokerProcess, type PersistedAssignment, type PersistedBroker } from '@hermes/coordination';
import { type Insertable } from 'kysely';

import { type LeaseChanges, type LeaseState, type LeaseStore } from '../metadata.js';
import { type Database, type Schema, type SqlAccess, type Tx } from './schema.js';

/** Name of the one row of `leadership`. */
export const LEADERSHIP = 'meta-server';

/** Far below what either engine takes in one statement, and above what a round trip costs. */
const ROWS_PER_STATEMENT = 200;

/** Notes which processes may renew their leases in the database. */
type SaveRegistered = (tx: Tx, changes: LeaseChanges) => Promise<void>;

/** Owners and brokers in SQL. */
export class SqlLeases implements LeaseStore {
  readonly #sql: SqlAccess;
  readonly #saveRegistered: SaveRegistered | undefined;

  /** `saveRegistered` where brokers reach the database. */
  constructor(sql: SqlAccess, saveRegistered?: SaveRegistered) {
    this.#sql = sql;
    this.#saveRegistered = saveRegistered;
  }

  load(): Promise<LeaseState> {
    return this.#sql.db.transaction().execute(async (tx) => ({
      assignments: await loadAssignments(tx),
      brokers: await loadBrokers(tx),
    }));
  }

  replaceTtl(ttlMs: number): Promise<number> {
    return this.#sql.write((tx) => replaceTtl(tx, ttlMs));
  }

  async save(changes: LeaseChanges): Promise<void> {
    await this.#sql.write(async (tx) => {
      await saveChanges(tx, changes);
      await this.#saveRegistered?.(tx, changes);
    });
  }
}

async function replaceTtl(tx: Tx, ttlMs: number): Promise<number> {
  const row = await tx
    .selectFrom('leadership')
    .select('broker_lease_ttl_ms')
    .where('name', '=', LEADERSHIP)
    .executeTakeFirst();
  await tx.updateTable('leadership').set({ broker_lease_ttl_ms: ttlMs }).where('name', '=', LEADERSHIP).execute();
  return row?.broker_lease_ttl_ms ?? 0;
}

/** All assignments by topic and partition, or those of one process. */
export async function loadAssignments(db: Database | Tx, owner?: BrokerProcess): Promise<PersistedAssignment[]> {
  let query = db
    .selectFrom('assignment')
    .innerJoin('topic', 'topic.id', 'assignment.topic_id')
    .selectAll('assignment')
    .select('topic.name as topic');
  if (owner !== undefined) {
    query = query.where('broker', '=', owner.broker).where('incarnation', '=', owner.incarnation);
  }
  const rows = await query.orderBy('topic.name').orderBy('assignment.partition_number').execute();
  return rows.map((row) => ({
    topic: row.topic,
    partition: row.partition_number,
    broker: row.broker,
    incarnation: row.incarnation,
    epoch: row.epoch,
    created: row.created !== 0,
    dataDirectory: row.data_directory,
    dataSource: row.data_source,
    pinned: row.pinned !== 0,
  }));
}

async function loadBrokers(tx: Tx): Promise<PersistedBroker[]> {
  const rows = await tx.selectFrom('broker').selectAll().orderBy('name').execute();
  return rows.map((row) => ({
    name: row.name,
    incarnation: row.incarnation,
    endpoint: row.endpoint,
    zone: row.zone,
    brokerGroup: row.broker_group,
    dataDirectory: row.data_directory,
    drained: row.drained !== 0,
  }));
}

/** Writes all of it; assignments of topics that are gone are passed over. */
async function saveChanges(tx: Tx, { assignments, brokers, forgottenBrokers }: LeaseChanges): Promise<void> {
  const topicIds = await selectTopicIds(tx, assignments);
  const rows = assignments.flatMap((record) => {
    const topicId = topicIds.get(record.topic);
    // Deleted between the decision and this write; a row for it would never be removed again.
    return topicId === undefined ? [] : [assignmentRow(topicId, record)];
  });
  for (const some of chunks(rows)) {
    await tx.replaceInto('assignment').values(some).execute();
  }
  for (const some of chunks(brokers.map(brokerRow))) {
    await tx.replaceInto('broker').values(some).execute();
  }
  for (const names of chunks(forgottenBrokers)) {
    await tx.deleteFrom('broker').where('name', 'in', names).execute();
  }
}

async function selectTopicIds(tx: Tx, records: readonly PersistedAssignment[]): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const names of chunks([...new Set(records.map(({ topic }) => topic))])) {
    const found = await tx.selectFrom('topic').select(['id', 'name']).where('name', 'in', names).execute();
    for (const { id, name } of found) {
      ids.set(name, id);
    }
  }
  return ids;
}

function assignmentRow(topicId: number, record: PersistedAssignment): Insertable<Schema['assignment']> {
  return {
    topic_id: topicId,
    partition_number: record.partition,
    broker: record.broker,
    incarnation: record.incarnation,
    epoch: record.epoch,
    created: record.created ? 1 : 0,
    data_directory: record.dataDirectory,
    data_source: record.dataSource,
    pinned: record.pinned ? 1 : 0,
  };
}

function brokerRow(record: PersistedBroker): Insertable<Schema['broker']> {
  return {
    name: record.name,
    incarnation: record.incarnation,
    endpoint: record.endpoint,
    zone: record.zone,
    broker_group: record.brokerGroup,
    data_directory: record.dataDirectory,
    drained: record.drained ? 1 : 0,
  };
}

function* chunks<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < all.length; from += ROWS_PER_STATEMENT) {
    yield all.slice(from, from + ROWS_PER_STATEMENT);
  }
}
