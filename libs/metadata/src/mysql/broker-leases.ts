import { type BrokerProcess } from '@hermes/coordination';
import { sql } from 'kysely';

import { type BrokerLeaseStore, type LeaseChanges } from '../metadata.js';
import { type SqlAccess, type Tx } from '../sql/schema.js';
import { NOW_MS } from './leadership-row.js';

/**
 * `broker_lease` as the leader sees it. The row of a broker's name says which process may renew, and until when it has:
 * 0 as long as it has not. To end a lease is to take the process out of the row, so that nobody renews in between.
 */
export class MysqlBrokerLeases implements BrokerLeaseStore {
  readonly #sql: SqlAccess;

  constructor(access: SqlAccess) {
    this.#sql = access;
  }

  end({ broker, incarnation }: BrokerProcess, lastsAtMostMs: number): Promise<number> {
    return this.#sql.write(async (tx) => {
      // The row is locked from here on: a renewal waits, and then finds another process in it, or none.
      const row = await tx
        .selectFrom('broker_lease')
        .select(sql<number>`expires_at - ${NOW_MS}`.as('lastsMs'))
        .where('broker', '=', broker)
        .where('incarnation', '=', incarnation)
        .forUpdate()
        .executeTakeFirst();
      if (row !== undefined && row.lastsMs > lastsAtMostMs) {
        return Math.max(1, row.lastsMs);
      }
      await tx
        .updateTable('broker_lease')
        .set({ incarnation: 0, expires_at: 0 })
        .where('broker', '=', broker)
        .where('incarnation', '=', incarnation)
        .execute();
      return 0;
    });
  }
}

/** Lets those that registered renew, and no other of their names; one that is known already keeps its time. */
export async function saveRegistered(
  tx: Tx,
  { registered, forgottenBrokers }: Pick<LeaseChanges, 'registered' | 'forgottenBrokers'>,
): Promise<void> {
  if (forgottenBrokers.length > 0) {
    await tx.deleteFrom('broker_lease').where('broker', 'in', forgottenBrokers).execute();
  }
  for (const { broker, incarnation } of registered) {
    const row = { broker, incarnation, expires_at: 0 };
    await tx
      .insertInto('broker_lease')
      .values(row)
      // In this order: what is assigned first is seen by what comes after.
      .onDuplicateKeyUpdate({ expires_at: sql<number>`if(incarnation = ${incarnation}, expires_at, 0)`, incarnation })
      .execute();
  }
}
