import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { connect, type Hermes, StorageClass } from '@hermes/client';
import { eventually, type TemporaryDirectory, temporaryDirectory, type TestDatabase } from '@hermes/testing';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

import { Cluster, type ClusterOptions } from './cluster.js';

/** The environment variable in which the brokers of a MysqlCluster find the password of its data sources. */
const PASSWORD_VARIABLE = 'HERMES_TEST_DATA_SOURCE_PASSWORD';

/** What tells a data source where a database is. */
export type DataSourceAddress = Pick<TestDatabase, 'host' | 'port' | 'user' | 'name'>;

/** A cluster with a data source called `db`, and a client of it. */
export class MysqlCluster implements AsyncDisposable {
  #secrets: TemporaryDirectory | undefined;

  private constructor(
    readonly processes: Cluster,
    readonly hermes: Hermes,
  ) {}

  /** Starts everything. All data sources of one cluster have this database's password; metadata are embedded. */
  static async start(database: TestDatabase, options: ClusterOptions = {}): Promise<MysqlCluster> {
    const brokerEnvironment = { ...options.brokerEnvironment, [PASSWORD_VARIABLE]: database.password };
    const processes = await Cluster.start({ ...options, brokerEnvironment });
    const hermes = await connect({ gateway: processes.gatewayEndpoint });
    const cluster = new MysqlCluster(processes, hermes);
    await cluster.addDataSource('db', database);
    return cluster;
  }

  /** Starts several meta-servers; the metadata are on `database`, like everything else unless `data` is another one. */
  static async startShared(
    database: TestDatabase,
    { data = database, ...options }: ClusterOptions & { readonly data?: TestDatabase },
  ): Promise<MysqlCluster> {
    const { host, port, user, name, password } = database;
    const directory = temporaryDirectory('hermes-password-');
    const passwordFile = join(directory.path, 'password');
    writeFileSync(passwordFile, `${password}\n`);
    const metadata = { url: `mysql://${user}@${host}:${port}/${name}`, passwordFile };
    try {
      const cluster = await MysqlCluster.start(data, { ...options, metadata });
      cluster.#secrets = directory;
      return cluster;
    } catch (error) {
      directory.remove();
      throw error;
    }
  }

  async addDataSource(name: string, { host, port, user, name: database }: DataSourceAddress): Promise<void> {
    await this.hermes.admin.createDataSource({
      ...{ name, storageClass: StorageClass.MYSQL, endpoints: [`${host}:${port}`] },
      ...{ database, username: user, secret: `env:${PASSWORD_VARIABLE}` },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hermes.close();
    await this.processes[Symbol.asyncDispose]();
    this.#secrets?.remove();
  }
}

/** Rows of a statement on a database, by a connection of its own. */
export async function ask(database: TestDatabase, sql: string): Promise<RowDataPacket[]> {
  const { host, port, user, password, name } = database;
  const connection = await createConnection({ host, port, user, password, database: name });
  try {
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  } finally {
    connection.destroy();
  }
}

/** The tables of lanes that a database holds. */
export async function laneTables(database: TestDatabase): Promise<string[]> {
  const rows = await ask(database, "SHOW TABLES LIKE 't%\\_p%\\_l%'");
  return rows.map((row) => String(Object.values(row)[0]));
}

/** Waits until a database holds no lane any more. */
export async function lanesGone(database: TestDatabase): Promise<void> {
  await eventually(
    async () => {
      expect(await laneTables(database)).toEqual([]);
    },
    { deadlineMs: 20_000, intervalMs: 50 },
  );
}
