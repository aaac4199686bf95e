import {
  type AssignmentRecord,
  type BrokerRecord,
  type LeaseChanges,
  type LeaseState,
  type LeaseStore,
} from './metadata.js';
import { type Database, type Tx } from './schema.js';

/** Name of the one row of `leadership`. */
export const LEADERSHIP = 'meta-server';

/** Owners and brokers in SQL. */
export class SqlLeases implements LeaseStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  load(): Promise<LeaseState> {
    return this.#db.transaction().execute(async (tx) => ({
      assignments: await loadAssignments(tx),
      brokers: await loadBrokers(tx),
    }));
  }

  replaceTtl(ttlMs: number): Promise<number> {
    return this.#db.transaction().execute((tx) => replaceTtl(tx, ttlMs));
  }

  async save({ assignments, brokers, forgottenBrokers }: LeaseChanges): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await saveAssignments(tx, assignments);
      for (const broker of brokers) {
        await saveBroker(tx, broker);
      }
      for (const name of forgottenBrokers) {
        await tx.deleteFrom('broker').where('name', '=', name).execute();
      }
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

async function loadAssignments(tx: Tx): Promise<AssignmentRecord[]> {
  const rows = await tx
    .selectFrom('assignment')
    .innerJoin('topic', 'topic.id', 'assignment.topic_id')
    .selectAll('assignment')
    .select('topic.name as topic')
    .orderBy('topic.name')
    .orderBy('assignment.partition_number')
    .execute();
  return rows.map((row) => ({
    topic: row.topic,
    partition: row.partition_number,
    broker: row.broker,
    incarnation: row.incarnation,
    epoch: row.epoch,
    created: row.created !== 0,
    dataDirectory: row.data_directory,
  }));
}

async function loadBrokers(tx: Tx): Promise<BrokerRecord[]> {
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

async function saveAssignments(tx: Tx, records: readonly AssignmentRecord[]): Promise<void> {
  const names = [...new Set(records.map(({ topic }) => topic))];
  if (names.length === 0) {
    return;
  }
  const topics = await tx.selectFrom('topic').select(['id', 'name']).where('name', 'in', names).execute();
  const ids = new Map(topics.map(({ id, name }) => [name, id]));
  for (const record of records) {
    const topicId = ids.get(record.topic);
    // Deleted between the decision and this write; a row for it would never be removed again.
    if (topicId !== undefined) {
      await saveAssignment(tx, topicId, record);
    }
  }
}

/** Update, then insert: the upsert that both dialects understand. */
async function saveAssignment(tx: Tx, topicId: number, record: AssignmentRecord): Promise<void> {
  const values = {
    broker: record.broker,
    incarnation: record.incarnation,
    epoch: record.epoch,
    created: record.created ? 1 : 0,
    data_directory: record.dataDirectory,
  };
  const { numUpdatedRows } = await tx
    .updateTable('assignment')
    .set(values)
    .where('topic_id', '=', topicId)
    .where('partition_number', '=', record.partition)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    await tx
      .insertInto('assignment')
      .values({ topic_id: topicId, partition_number: record.partition, ...values })
      .execute();
  }
}

async function saveBroker(tx: Tx, record: BrokerRecord): Promise<void> {
  const values = {
    incarnation: record.incarnation,
    endpoint: record.endpoint,
    zone: record.zone,
    broker_group: record.brokerGroup,
    data_directory: record.dataDirectory,
    drained: record.drained ? 1 : 0,
  };
  const { numUpdatedRows } = await tx
    .updateTable('broker')
    .set(values)
    .where('name', '=', record.name)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    await tx
      .insertInto('broker')
      .values({ name: record.name, ...values })
      .execute();
  }
}
