import { type BrokerRecord, type BrokerStore } from './metadata.js';
import { type Database } from './schema.js';

/** Brokers in SQL. */
export class SqlBrokers implements BrokerStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async load(): Promise<BrokerRecord[]> {
    const rows = await this.#db.selectFrom('broker').selectAll().orderBy('name').execute();
    return rows.map((row) => ({
      name: row.name,
      endpoint: row.endpoint,
      host: row.host,
      zone: row.zone,
      brokerGroup: row.broker_group,
      dataDirectory: row.data_directory,
      drained: row.drained !== 0,
    }));
  }

  async save(record: BrokerRecord): Promise<void> {
    const values = {
      endpoint: record.endpoint,
      host: record.host,
      zone: record.zone,
      broker_group: record.brokerGroup,
      data_directory: record.dataDirectory,
      drained: record.drained ? 1 : 0,
    };
    await this.#db.transaction().execute(async (tx) => {
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
    });
  }

  async delete(name: string): Promise<void> {
    await this.#db.deleteFrom('broker').where('name', '=', name).execute();
  }
}
