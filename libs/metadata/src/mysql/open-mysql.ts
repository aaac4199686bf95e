import { hostname } from 'node:os';

import { HermesError } from '@hermes/contracts';
import { random53, sleep, systemClock, systemRandom, systemTimers, type Timers } from '@hermes/runtime';
import { type Kysely, sql } from 'kysely';

import { MetadataError } from '../metadata-error.js';
import { type MetadataOptions } from '../metadata-options.js';
import { type Metadata } from '../metadata.js';
import { MYSQL } from '../sql/engine.js';
import { migrate } from '../sql/migrate.js';
import { MIGRATIONS } from '../sql/migrations.js';
import { type Database, type SqlAccess } from '../sql/schema.js';
import { SqlDataSources } from '../sql/sql-data-sources.js';
import { SqlGroups } from '../sql/sql-groups.js';
import { LEADERSHIP, SqlLeases } from '../sql/sql-leases.js';
import { SqlTopics } from '../sql/sql-topics.js';
import { MysqlBrokerLeases } from './broker-leases.js';
import { LeaderWrites } from './leader-writes.js';
import { createLeadership, type Holding, type LeadershipRecord } from './leadership-row.js';
import { LEADERSHIP_TTL_MS, LeasedLeadership } from './leased-leadership.js';
import { errnoOf } from './mysql-fault.js';
import { type SessionWaits } from './mysql-session.js';
import { mysqlName, parseMysqlUrl } from './mysql-url.js';
import { type DatabaseParts, openDatabase } from './open-database.js';

/** A leader that stands still in the middle of a transaction must not keep its locks for long. */
const LEADER_WAITS: SessionWaits = { lockWaitS: 1, idleS: 5 };
const READER_WAITS: SessionWaits = { lockWaitS: 2, idleS: 30 };
const READERS_MAX = 4;
/** Renewals queue behind a transaction: one that takes longer has lost them. */
const LEADER_USE_MS = 2_000;
const READER_USE_MS = 10_000;
/** Two meta-servers that start at once migrate one after the other. */
const MIGRATION_LOCK_S = 30;
const MIGRATION_USE_MS = 60_000;
/** How often a candidate looks whether the leader of before is gone. */
const CANDIDATE_POLL_MS = 200;
/** ER_ACCESS_DENIED_ERROR, ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, MariaDB's ER_ACCESS_DENIED_NO_PASSWORD */
const ACCESS_DENIED = [1044, 1045, 1142, 1698];

/**
 * Opens a MySQL or MariaDB database as its leader. A leader that was killed without giving leadership back is waited
 * for, at most its TTL; one that renews it meanwhile is alive: LOCKED.
 */
export async function openMysqlMetadata(options: MetadataOptions): Promise<Metadata> {
  const { clock = systemClock, timers = systemTimers } = options;
  const address = parseMysqlUrl(options.url);
  const parts: DatabaseParts = { credentials: { address, passwordFile: options.passwordFile }, clock, timers };
  const candidate = { holder: options.holder ?? `${hostname()}:${process.pid}`, incarnation: random53(systemRandom) };
  const leading: { leadership?: LeasedLeadership } = {};
  const db = leaderDatabase(parts, () => leading.leadership?.holding);
  const reader = openDatabase(parts, { waits: READER_WAITS, connectionsMax: READERS_MAX, useMs: READER_USE_MS });
  const leadership = (leading.leadership = new LeasedLeadership({ db, candidate, clock, timers }));
  try {
    await migrateAlone(parts, options);
    await lead(leadership, { timers, name: mysqlName(address) });
  } catch (error) {
    await Promise.all([db.destroy(), reader.destroy()]);
    throw openingError(error, mysqlName(address));
  }
  return metadataOf({ db, reader, leadership, timers });
}

function metadataOf(parts: {
  readonly db: Database;
  readonly reader: Database;
  readonly leadership: LeasedLeadership;
  readonly timers: Timers;
}): Metadata {
  const { db, reader, leadership } = parts;
  const writes = new LeaderWrites(parts);
  const access: SqlAccess = { db: reader, write: (action) => writes.write(action) };
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= leadership
      .release()
      // The next one then waits for the rest of the TTL.
      .catch(() => undefined)
      .then(async () => {
        await Promise.all([db.destroy(), reader.destroy()]);
      }));
  return {
    leadership,
    topics: new SqlTopics(access),
    groups: new SqlGroups(access),
    dataSources: new SqlDataSources(access),
    leases: new SqlLeases(access),
    brokerLeases: new MysqlBrokerLeases(access),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The one connection of all that a leader writes. A new one is noted in the leadership's row before it locks anything:
 * a candidate that finds the row locked must know whom to kill.
 */
function leaderDatabase(parts: DatabaseParts, holding: () => Holding | undefined): Database {
  return openDatabase(parts, {
    waits: LEADER_WAITS,
    connectionsMax: 1,
    useMs: LEADER_USE_MS,
    onOpen: async (connection) => {
      const held = holding();
      if (held !== undefined) {
        await connection.execute(
          'update leadership set connection_id = connection_id() where name = ? and incarnation = ? and epoch = ?',
          [LEADERSHIP, String(held.incarnation), String(held.epoch)],
        );
      }
    },
  });
}

async function migrateAlone(parts: DatabaseParts, options: MetadataOptions): Promise<void> {
  const db = openDatabase(parts, { waits: READER_WAITS, connectionsMax: 1, useMs: MIGRATION_USE_MS });
  try {
    await db.connection().execute(async (connection) => {
      // The lock belongs to the connection and ends with it.
      const lock = sql<{ held: number | null }>`select get_lock(sha2(database(), 224), ${MIGRATION_LOCK_S}) as held`;
      if ((await lock.execute(connection)).rows[0]?.held !== 1) {
        throw new MetadataError('LOCKED', 'another meta-server has been migrating the metadata database for too long');
      }
      await migrate(connection as unknown as Kysely<unknown>, {
        engine: MYSQL,
        migrations: options.migrations ?? MIGRATIONS,
        databaseName: mysqlName(parts.credentials.address),
      });
      await createLeadership(connection);
    });
  } finally {
    await db.destroy();
  }
}

async function lead(leadership: LeasedLeadership, { timers, name }: { timers: Timers; name: string }): Promise<void> {
  let first: LeadershipRecord | undefined;
  for (let waitedMs = 0; ; waitedMs += CANDIDATE_POLL_MS) {
    const outcome = await leadership.take();
    if (outcome.kind === 'taken') {
      return;
    }
    const { by } = outcome;
    first ??= by;
    const renewed = by.epoch !== first.epoch || by.expiresAtMs !== first.expiresAtMs;
    if (renewed || waitedMs > 2 * LEADERSHIP_TTL_MS) {
      throw new MetadataError(
        'LOCKED',
        `${name} is led by the meta-server at ${by.holder}, which renews its leadership`,
      );
    }
    await sleep(timers, CANDIDATE_POLL_MS);
  }
}

/** Why the database cannot be opened, as a fact that an operator can act on. */
function openingError(error: unknown, name: string): MetadataError {
  const cause = error instanceof HermesError ? error.cause : error;
  if (cause instanceof MetadataError) {
    return cause;
  }
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : codeOf(cause);
  const code = ACCESS_DENIED.includes(errnoOf(cause)) ? 'ACCESS_DENIED' : 'SERVER_UNAVAILABLE';
  return new MetadataError(code, `cannot open ${name}: ${reason}`, error);
}

/** Node's error for several refused addresses has no message. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
