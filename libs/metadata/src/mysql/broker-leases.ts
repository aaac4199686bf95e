import { sql } from 'kysely';

import { type BrokerLeaseRecord, type BrokerLeaseStore, type BrokerProcess, type LeaseChanges } from '../metadata.js';
import { type Database, type SqlAccess, type Tx } from '../sql/schema.js';
import { saveChanges } from '../sql/sql-leases.js';
import { NOW_MS } from './leadership-row.js';

/** `broker_lease` as the leader sees it. */
export class MysqlBrokerLeases implements BrokerLeaseStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  async register({ broker, incarnation }: BrokerProcess, ttlMs: number): Promise<void> {
    const row = { broker, incarnation, expires_at: sql<number>`${NOW_MS} + ${ttlMs}` };
    await this.#sql.write((tx) => tx.replaceInto('broker_lease').values(row).execute());
  }

  find(broker: string): Promise<BrokerLeaseRecord | undefined> {
    return selectLeases(this.#sql.db, [broker]).executeTakeFirst();
  }

  saveTaken(changes: LeaseChanges, owners: readonly BrokerProcess[]): Promise<BrokerLeaseRecord[]> {
    return this.#sql.write(async (tx) => {
      const lasting = owners.length === 0 ? [] : await lockLasting(tx, owners);
      if (lasting.length === 0) {
        await saveChanges(tx, changes);
      }
      return lasting;
    });
  }
}

/** The leases of `owners` that last; locked, so that none is renewed before the transaction ends. */
async function lockLasting(tx: Tx, owners: readonly BrokerProcess[]): Promise<BrokerLeaseRecord[]> {
  const names = owners.map(({ broker }) => broker);
  const rows = await selectLeases(tx, names).forUpdate().execute();
  return rows.filter(
    ({ broker, incarnation, remainingMs }) =>
      remainingMs > 0 && owners.some((owner) => owner.broker === broker && owner.incarnation === incarnation),
  );
}

function selectLeases(db: Database | Tx, brokers: readonly string[]) {
  return db
    .selectFrom('broker_lease')
    .select(['broker', 'incarnation'])
    .select(sql<number>`expires_at - ${NOW_MS}`.as('remainingMs'))
    .where('broker', 'in', brokers);
}
