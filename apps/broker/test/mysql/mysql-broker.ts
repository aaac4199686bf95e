import { DataSource, type HoldBrokerLeaseRequest_DataSourceReport, StorageClass } from '@hermes/contracts';
import { type SqlServer, type TestDatabase } from '@hermes/testing';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { BrokerFixture } from '../broker-fixture.js';
import { RecordedBroker } from '../recorded-broker.js';

/** Where a broker finds the password of its data source. */
export const PASSWORD_VARIABLE = 'DATA_SOURCE_PASSWORD';

/** A broker whose topics are stored on a MySQL server, and what its publishers were told. */
export class MysqlBroker extends RecordedBroker {
  private constructor(
    readonly server: SqlServer,
    readonly database: TestDatabase,
    fixture: BrokerFixture,
  ) {
    super(fixture, { storageClass: StorageClass.MYSQL });
  }

  /** Starts one on an empty database of `server`; partitions that it gives back are granted again. */
  static async start(server: SqlServer): Promise<MysqlBroker> {
    const database = await server.createDatabase();
    const fixture = new BrokerFixture({ environment: { [PASSWORD_VARIABLE]: database.password } });
    fixture.meta.regrants = true;
    fixture.meta.catalog.dataSources.set('db', mysqlSource(database));
    await fixture.start();
    return new MysqlBroker(server, database, fixture);
  }

  /** What it last told the meta-server of its data source. */
  get report(): HoldBrokerLeaseRequest_DataSourceReport | undefined {
    return this.fixture.meta.reports.get('db');
  }

  /** The table of a topic's partition. */
  table(topic: string, partition = 0): string {
    return `t${this.fixture.meta.catalog.topic(topic).uid}_p${partition}_l0`;
  }

  /** Statements of an operator, in the broker's database. */
  async operate<T>(work: (query: (sql: string) => Promise<RowDataPacket[]>) => Promise<T>): Promise<T> {
    const { host, port, user, password } = this.server;
    const connection = await createConnection({ host, port, user, password, database: this.database.name });
    try {
      return await work(async (sql) => {
        const [rows] = await connection.query<RowDataPacket[]>(sql);
        return rows;
      });
    } finally {
      connection.destroy();
    }
  }

  /** Ends all connections of the broker, or only what they are doing. */
  async kill(what: 'CONNECTION' | 'QUERY'): Promise<void> {
    await this.operate(async (query) => {
      const rows = await query(`SELECT id FROM information_schema.processlist WHERE user = '${this.database.user}'`);
      for (const row of rows) {
        // It may have ended by itself meanwhile.
        await query(`KILL ${what} ${Number(Object.values(row)[0])}`).catch(() => undefined);
      }
    });
  }
}

/** The data source that a test's database is. */
export function mysqlSource(database: TestDatabase): DataSource {
  return DataSource.fromPartial({
    ...{ name: 'db', storageClass: StorageClass.MYSQL, endpoints: [`${database.host}:${database.port}`] },
    ...{ database: database.name, username: database.user, secret: `env:${PASSWORD_VARIABLE}` },
  });
}
