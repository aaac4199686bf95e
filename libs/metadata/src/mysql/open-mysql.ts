import { HermesError } from '@hermes/contracts';
import { random53, sleep, systemClock, systemRandom, systemTimers, type Timers } from '@hermes/runtime';
import { type Kysely, sql } from 'kysely';

import { MetadataError } from '../metadata-error.js';
import { type MetadataOptions } from '../metadata-options.js';
import { type Candidacy, type Metadata, type MetadataDatabase } from '../metadata.js';
import { MYSQL } from '../sql/engine.js';
import { migrate } from '../sql/migrate.js';
import { MIGRATIONS } from '../sql/migrations.js';
import { type Database, type SqlAccess } from '../sql/schema.js';
import { SqlDataSources } from '../sql/sql-data-sources.js';
import { SqlGroups } from '../sql/sql-groups.js';
import { LEADERSHIP, SqlLeases } from '../sql/sql-leases.js';
import { saveTerm, SqlMetaServers } from '../sql/sql-meta-servers.js';
import { SqlTopics } from '../sql/sql-topics.js';
import { MysqlBrokerLeases, saveRegistered } from './broker-leases.js';
import { LeaderWrites } from './leader-writes.js';
import { createLeadership, type Holding, NOW_MS } from './leadership-row.js';
import { LeasedLeadership } from './leased-leadership.js';
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

/** Opens a MySQL or MariaDB database: migrates it, reads it, and leads on it when nobody else does. */
export async function openMysqlMetadata(options: MetadataOptions): Promise<MetadataDatabase> {
  const { clock = systemClock, timers = systemTimers } = options;
  const address = parseMysqlUrl(options.url);
  const parts: DatabaseParts = { credentials: { address, passwordFile: options.passwordFile }, clock, timers };
  try {
    await migrateAlone(parts, options);
  } catch (error) {
    throw openingError(error, mysqlName(address));
  }
  const reader = openDatabase(parts, { waits: READER_WAITS, connectionsMax: READERS_MAX, useMs: READER_USE_MS });
  const write: SqlAccess['write'] = () => Promise.reject(new HermesError('NOT_LEADER', 'this is for reading'));
  const incarnation = random53(systemRandom);
  const close = (): Promise<void> => reader.destroy();
  return {
    reads: storesOf({ db: reader, write }),
    metaServers: new SqlMetaServers(reader, NOW_MS),
    lead: (candidacy) => lead({ ...candidacy, incarnation }, reader, parts),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function storesOf(access: SqlAccess): Omit<Metadata, 'leadership' | 'resign'> {
  return {
    topics: new SqlTopics(access),
    groups: new SqlGroups(access),
    dataSources: new SqlDataSources(access),
    leases: new SqlLeases(access, saveRegistered),
    brokerLeases: new MysqlBrokerLeases(access),
  };
}

/** One candidacy with a connection of its own, and the term that comes of it. */
async function lead(
  candidacy: Candidacy & { readonly incarnation: number },
  reader: Database,
  parts: DatabaseParts,
): Promise<Metadata> {
  const { holder, incarnation } = candidacy;
  const { clock, timers } = parts;
  const leading: { leadership?: LeasedLeadership } = {};
  const db = leaderDatabase(parts, () => leading.leadership?.holding);
  const leadership = (leading.leadership = new LeasedLeadership({
    ...{ db, clock, timers },
    candidate: { holder, incarnation },
  }));
  try {
    await takeInTime(leadership, candidacy, timers);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  const writes = new LeaderWrites({ db, leadership, timers });
  const term = { endpoint: holder, epoch: leadership.epoch };
  // For operators alone: a term that could not be noted is led all the same.
  await writes.write((tx) => saveTerm(tx, term, NOW_MS)).catch(() => undefined);
  let resigned: Promise<void> | undefined;
  const resign = (): Promise<void> =>
    (resigned ??= leadership
      .release()
      // The next one then waits for the rest of the TTL.
      .catch(() => undefined)
      .then(() => db.destroy()));
  return { ...storesOf({ db: reader, write: (action) => writes.write(action) }), leadership, resign };
}

/** A fault of the database passes; anything else is a defect. */
function unknownOutcome(fault: unknown): { readonly kind: 'unknown'; readonly fault: HermesError } {
  if (fault instanceof HermesError) {
    return { kind: 'unknown', fault };
  }
  throw fault;
}

/** Tries until it is taken: a leader that was killed is followed once its TTL has passed. */
async function takeInTime(leadership: LeasedLeadership, candidacy: Candidacy, timers: Timers): Promise<void> {
  const { signal, onFollowing, onFault } = candidacy;
  for (;;) {
    signal.throwIfAborted();
    const outcome = await leadership.take().catch(unknownOutcome);
    switch (outcome.kind) {
      case 'taken':
        return;
      case 'held': {
        const { holder: endpoint, epoch, remainingMs } = outcome.by;
        onFollowing?.(remainingMs > 0 ? { endpoint, epoch } : undefined);
        break;
      }
      case 'unknown':
        onFollowing?.(undefined);
        onFault?.(outcome.fault);
    }
    await sleep(timers, CANDIDATE_POLL_MS, signal);
  }
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
