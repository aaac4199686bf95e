import { type BrokerProcess, type PersistedAssignment } from '@hermes/coordination';
import { type Clock, systemClock, systemTimers, type Timers } from '@hermes/runtime';
import { sql } from 'kysely';

import { loadAssignments } from '../sql/sql-leases.js';
import { NOW_MS } from './leadership-row.js';
import { openDatabase } from './open-database.js';
import { MYSQL_SCHEME, parseMysqlUrl } from './mysql-url.js';

/** A renewal that takes longer comes too late for a TTL of seconds. */
const USE_MS = 2_000;

/** How a broker reaches the metadata database. */
export interface BrokerLeaseOptions {
  /** As for meta-servers. */
  readonly url: string;
  readonly passwordFile?: string | undefined;
  readonly process: BrokerProcess;
  readonly clock?: Clock;
  readonly timers?: Timers;
}

/** A broker's way to keep its lease where no meta-server answers it. Every call may throw STORAGE_UNAVAILABLE. */
export interface SharedBrokerLease extends AsyncDisposable {
  /** Prolongs the lease for `ttlMs`, valid from before this was called. False: the name is another process's by now. */
  renew(ttlMs: number): Promise<boolean>;
  /** What this process owns. */
  assignments(): Promise<PersistedAssignment[]>;
  close(): Promise<void>;
}

/**
 * Makes a broker's lease of the database; connects at the first call. URL_INVALID for a URL that is none. Undefined for
 * a database that no broker can reach.
 */
export function openBrokerLease(options: BrokerLeaseOptions): SharedBrokerLease | undefined {
  if (!options.url.startsWith(MYSQL_SCHEME)) {
    return undefined;
  }
  const { process, clock = systemClock, timers = systemTimers } = options;
  const credentials = { address: parseMysqlUrl(options.url), passwordFile: options.passwordFile };
  const waits = { lockWaitS: 1, idleS: 30 };
  const db = openDatabase({ credentials, clock, timers }, { waits, connectionsMax: 1, useMs: USE_MS });
  const close = (): Promise<void> => db.destroy();
  return {
    renew: async (ttlMs) => {
      const { numUpdatedRows } = await db
        .updateTable('broker_lease')
        .set({ expires_at: sql<number>`${NOW_MS} + ${ttlMs}` })
        .where('broker', '=', process.broker)
        .where('incarnation', '=', process.incarnation)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    assignments: () => loadAssignments(db, process),
    close,
    [Symbol.asyncDispose]: close,
  };
}
