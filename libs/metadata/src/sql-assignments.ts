import { type AssignmentRecord, type AssignmentStore } from './metadata.js';
import { type Database, type Tx } from './schema.js';

/** Assignments in SQL. */
export class SqlAssignments implements AssignmentStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async load(): Promise<AssignmentRecord[]> {
    const rows = await this.#db
      .selectFrom('assignment')
      .selectAll()
      .orderBy('topic_id')
      .orderBy('partition_number')
      .execute();
    return rows.map((row) => ({
      topicId: row.topic_id,
      partition: row.partition_number,
      broker: row.broker,
      incarnation: row.incarnation,
      epoch: row.epoch,
      created: row.created !== 0,
      dataDirectory: row.data_directory,
    }));
  }

  async save(records: readonly AssignmentRecord[]): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      // A topic may be deleted between the decision and this write; a row for it would never be removed again.
      const topics = await tx.selectFrom('topic').select('id').execute();
      const alive = new Set(topics.map(({ id }) => id));
      for (const record of records.filter(({ topicId }) => alive.has(topicId))) {
        await write(tx, record);
      }
    });
  }
}

async function write(tx: Tx, record: AssignmentRecord): Promise<void> {
  const values = {
    broker: record.broker,
    incarnation: record.incarnation,
    epoch: record.epoch,
    created: record.created ? 1 : 0,
    data_directory: record.dataDirectory,
  };
  const key = { topic_id: record.topicId, partition_number: record.partition };
  // Update, then insert: the upsert that both dialects understand.
  const { numUpdatedRows } = await tx
    .updateTable('assignment')
    .set(values)
    .where('topic_id', '=', key.topic_id)
    .where('partition_number', '=', key.partition_number)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) {
    await tx
      .insertInto('assignment')
      .values({ ...key, ...values })
      .execute();
  }
}
