// Raw mysql2: the same rows as a lane's, in tables of their own, inserted durably by prepared statements, or read by ranges.

import { crc32 } from 'node:zlib';

import { createConnection } from 'mysql2/promise';

import { encodedMessage } from '../shapes.mjs';

const READ_ROWS = 50_000;

async function makeTable(connection, table) {
  await connection.query(`DROP TABLE IF EXISTS ${table}`);
  await connection.query(`CREATE TABLE ${table} (log_offset BIGINT UNSIGNED NOT NULL PRIMARY KEY, kind TINYINT NOT NULL,
    epoch BIGINT UNSIGNED NOT NULL, append_id BIGINT UNSIGNED NOT NULL, appended_at BIGINT NOT NULL,
    producer_id BIGINT UNSIGNED NULL, sequence BIGINT UNSIGNED NULL, schedule_id BIGINT UNSIGNED NULL,
    expires_at BIGINT NULL, crc32 INT UNSIGNED NOT NULL, ref_key VARBINARY(128) NULL, record MEDIUMBLOB NOT NULL)
    ENGINE = InnoDB PARTITION BY RANGE (log_offset) (PARTITION p VALUES LESS THAN MAXVALUE)`);
}

function insertStatement(table, batchRows) {
  const row = '(?, 0, 1, ?, ?, NULL, NULL, NULL, NULL, ?, NULL, ?)';
  return `INSERT INTO ${table} VALUES ${Array.from({ length: batchRows }, () => row).join(', ')}`;
}

/** Integers go as strings: as numbers they would go as doubles, and the statement be prepared anew each time. */
function rowsFrom(offset, batchRows) {
  const [appendId, now, checksum] = ['1', String(Date.now()), String(crc32(encodedMessage))];
  return Array.from({ length: batchRows }, (_, nth) => [
    String(offset + nth),
    appendId,
    now,
    checksum,
    encodedMessage,
  ]).flat();
}

async function insertUntil(connection, table, { batchRows, endAt, limit = Number.POSITIVE_INFINITY }) {
  const statement = insertStatement(table, batchRows);
  let offset = 0;
  while (performance.now() < endAt && offset < limit) {
    await connection.execute(statement, rowsFrom(offset, batchRows));
    offset += batchRows;
  }
  return offset;
}

async function readUntil(connection, table, { batchRows, endAt }) {
  const statement = `SELECT * FROM ${table} WHERE log_offset >= ? AND log_offset < ? ORDER BY log_offset`;
  let [from, read] = [0, 0];
  while (performance.now() < endAt) {
    const [rows] = await connection.execute({ sql: statement, rowsAsArray: true }, [
      String(from),
      String(from + batchRows),
    ]);
    read += rows.length;
    from = (from + batchRows) % READ_ROWS;
  }
  return read;
}

/** Inserted, or read, rows per second over all connections. */
export async function run({ kind, endpoint, batchRows, connections, measureMs }) {
  const open = await Promise.all(Array.from({ length: connections }, () => createConnection(endpoint)));
  const tables = open.map((_, nth) => `raw_${nth}`);
  await Promise.all(open.map((connection, nth) => makeTable(connection, tables[nth])));
  if (kind === 'reads') {
    await insertUntil(open[0], tables[0], { batchRows, endAt: Number.POSITIVE_INFINITY, limit: READ_ROWS });
  }
  const startedAt = performance.now();
  const work = kind === 'reads' ? readUntil : insertUntil;
  const options = { batchRows, endAt: startedAt + measureMs };
  const counts = await Promise.all(open.map((connection, nth) => work(connection, tables[nth], options)));
  const rate = (counts.reduce((sum, count) => sum + count, 0) / (performance.now() - startedAt)) * 1000;
  await Promise.all(open.map((connection, nth) => connection.query(`DROP TABLE ${tables[nth]}`)));
  await Promise.all(open.map((connection) => connection.end()));
  return rate;
}
