import { randomUUID } from 'node:crypto';

import { StoreError } from '@hermes/log';

import { LANE_TABLE } from './lane-table.js';
import { MIGRATIONS } from './migrations.js';
import { ERRNO, errnoOf } from './mysql-fault.js';
import type { Session } from './session.js';

/** How long a start waits for another one's migration. */
const LOCK_WAIT_S = 4;

const ENGINE = 'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

/**
 * Brings the shared tables to this program's version, one process at a time, and gives the id of these tables. Fails
 * with `schemaNewer` if a newer program was here.
 */
export async function migrate(session: Session): Promise<string> {
  const { rows } = await session.query(`SELECT GET_LOCK(CONCAT('hermes.', DATABASE()), ${LOCK_WAIT_S})`);
  if (Number(rows[0]?.[0]) !== 1) {
    throw new StoreError('unavailable', 'another process migrates the schema');
  }
  try {
    await session.query(
      `CREATE TABLE IF NOT EXISTS hermes_schema (version INT UNSIGNED NOT NULL PRIMARY KEY) ${ENGINE}`,
    );
    await session.query(
      `CREATE TABLE IF NOT EXISTS hermes_store (only_row TINYINT NOT NULL PRIMARY KEY, id CHAR(36) NOT NULL) ${ENGINE}`,
    );
    await applyMigrations(session);
    await session.execute('INSERT IGNORE INTO hermes_store VALUES (1, ?)', [randomUUID()]);
  } finally {
    await session.query(`DO RELEASE_LOCK(CONCAT('hermes.', DATABASE()))`);
  }
  const id = await readStoreId(session);
  if (id === undefined) {
    throw new StoreError('unavailable', 'the shared tables are gone again');
  }
  return id;
}

/** The id that was drawn when the shared tables were made; undefined if there are none. */
export async function readStoreId(session: Session): Promise<string | undefined> {
  try {
    const { rows } = await session.query('SELECT id FROM hermes_store');
    return rows[0] === undefined ? undefined : String(rows[0][0]);
  } catch (error) {
    if (errnoOf(error) === ERRNO.noSuchTable) {
      return undefined;
    }
    throw error;
  }
}

async function applyMigrations(session: Session): Promise<void> {
  const { rows } = await session.query('SELECT COALESCE(MAX(version), 0) FROM hermes_schema');
  const found = Number(rows[0]?.[0]);
  if (found > MIGRATIONS.length) {
    const message = `the schema has version ${found}, this program knows ${MIGRATIONS.length}`;
    throw new StoreError('schemaNewer', message, { details: { found, known: MIGRATIONS.length } });
  }
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index >= found) {
      for (const statement of statements) {
        await define(session, statement);
      }
      await session.execute('INSERT INTO hermes_schema VALUES (?)', [index + 1]);
    }
  }
}

async function define(session: Session, statement: string): Promise<void> {
  for (const lane of statement.includes('$lane') ? await laneTables(session) : ['']) {
    try {
      await session.query(statement.replaceAll('$lane', lane));
    } catch (error) {
      // What is there was added by a migration that did not come to its end.
      const errno = errnoOf(error);
      if (errno !== ERRNO.columnExists && errno !== ERRNO.keyExists) {
        throw error;
      }
    }
  }
}

async function laneTables(session: Session): Promise<string[]> {
  const { rows } = await session.query(
    'SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()',
  );
  return rows.map(([name]) => String(name)).filter((name) => LANE_TABLE.test(name));
}
