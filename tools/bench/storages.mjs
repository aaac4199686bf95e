// The storages that rows are measured on: the server that each needs, how its topics are made, and what its raw engine
// takes alone.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import contracts from '@hermes/contracts';
import testing from '@hermes/testing';
import { createConnection } from 'mysql2/promise';

import { runChild } from './child.mjs';
import { kafkaStorage } from './kafka-storage.mjs';

const PASSWORD_VARIABLE = 'HERMES_BENCH_PASSWORD';

/** Of a new server, so that few cores are used well; see docs/operations/mysql.md. */
const SERVER_SETTINGS = { mysql: { 'innodb-log-writer-threads': 'OFF' }, mariadb: {} };
const ASKED_SETTINGS = ['innodb_flush_log_at_trx_commit', 'sync_binlog', 'log_bin', 'innodb_buffer_pool_size'];

/** Batch sizes and connection counts of which the best counts. */
const EMBEDDED_BATCHES = [250, 1000, 4000];
/** Shard files of a data directory, as the broker makes them. */
const EMBEDDED_FILES = 2;
const SQL_SHAPES = [
  { batchRows: 250, connections: 4 },
  { batchRows: 1000, connections: 4 },
  { batchRows: 250, connections: 16 },
];

const embedded = {
  name: 'embedded',
  variant: 'embedded',
  settings: {},
  brokerEnvironment: {},
  topicFields: {},
  prepare: () => Promise.resolve(),
  /** Arguments of a meta-server of its own, whose metadata are here. */
  metadataArgs: (directory) =>
    Promise.resolve(['--metadata-url', `sqlite:${join(directory, 'coordination', 'meta.db')}`]),
  /** Rows per second of raw durable inserts, all files at once. */
  async measureStore({ directory, measureMs }) {
    const rates = [];
    for (const batchRows of EMBEDDED_BATCHES) {
      const files = Array.from({ length: EMBEDDED_FILES }, () =>
        runChild('./parts/store.mjs', { directory, batchRows, measureMs }),
      );
      rates.push((await Promise.all(files)).reduce((sum, rate) => sum + rate, 0));
    }
    return Math.max(...rates);
  },
  stop: () => Promise.resolve(),
};

async function sqlStorage(kind) {
  const server = await testing.startMysql(kind, { settings: SERVER_SETTINGS[kind] });
  const database = await server.createDatabase();
  const { host, port, user, password, name } = database;
  const endpoint = { host, port, user, password, database: name };
  const connection = await createConnection(endpoint);
  const [[{ version }]] = await connection.query('SELECT VERSION() AS version');
  const names = ASKED_SETTINGS.map((setting) => `'${setting}'`).join();
  const [rows] = await connection.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  await connection.end();
  return {
    name: 'mysql',
    variant: `${kind}-${/^\d+\.\d+/.exec(version)}`,
    settings: Object.fromEntries(rows.map((row) => [row.Variable_name, row.Value])),
    brokerEnvironment: { [PASSWORD_VARIABLE]: password },
    topicFields: { storageClass: contracts.StorageClass.MYSQL },
    /** Makes the data source known to a cluster. */
    prepare: (admin) =>
      admin('createDataSource', {
        dataSource: contracts.DataSource.fromPartial({
          ...{ name: 'bench', storageClass: contracts.StorageClass.MYSQL, endpoints: [`${host}:${port}`] },
          ...{ database: name, username: user, secret: `env:${PASSWORD_VARIABLE}` },
        }),
      }),
    async metadataArgs(directory) {
      const metadata = await server.createDatabase();
      const passwordFile = join(directory, 'metadata-password');
      writeFileSync(passwordFile, `${metadata.password}\n`);
      const url = `mysql://${metadata.user}@${host}:${port}/${metadata.name}`;
      return ['--metadata-url', url, '--metadata-password-file', passwordFile];
    },
    async measureStore({ measureMs }) {
      const rates = [];
      for (const shape of SQL_SHAPES) {
        rates.push(await runChild('./parts/store-sql.mjs', { kind: 'inserts', endpoint, ...shape, measureMs }));
      }
      return Math.max(...rates);
    },
    /** Rows per second of prepared range reads, one after another. */
    measureReads: ({ measureMs }) =>
      runChild('./parts/store-sql.mjs', { kind: 'reads', endpoint, batchRows: 1000, connections: 1, measureMs }),
    async stop() {
      await server[Symbol.asyncDispose]();
    },
  };
}

const STARTERS = {
  embedded: () => Promise.resolve(embedded),
  mysql: () => sqlStorage('mysql'),
  mariadb: () => sqlStorage('mariadb'),
  kafka: kafkaStorage,
};

export const STORAGES = Object.keys(STARTERS);

/** Starts what the storage needs. */
export const startStorage = (kind) => STARTERS[kind]();
