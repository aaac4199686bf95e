import { HermesError } from '@hermes/contracts';
import { type RawBuilder, sql } from 'kysely';

import { type Database, type Tx } from '../sql/schema.js';
import { LEADERSHIP } from '../sql/sql-leases.js';

/** A process that leads or would. */
export interface Candidate {
  /** Where others reach it. */
  readonly holder: string;
  /** Random number of its start. */
  readonly incarnation: number;
}

/** One leadership: nobody else ever has the same. */
export interface Holding extends Candidate {
  readonly epoch: number;
}

/** The row as it was read. */
export interface LeadershipRecord extends Holding {
  readonly expiresAtMs: number;
  /** Until it ends, by the database's clock; 0 or less: anyone may take it. */
  readonly remainingMs: number;
  /** Connection on which the holder locks this row. */
  readonly connectionId: number;
}

/** The database's clock. It is read when a statement starts, so what is counted from it is never too long. */
export const NOW_MS: RawBuilder<number> = sql<number>`cast(unix_timestamp(now(3)) * 1000 as signed)`;

/** Makes the row where there is none. It looks first: inserting would wait for whoever has locked the row. */
export async function createLeadership(db: Database): Promise<void> {
  const found = await db.selectFrom('leadership').select('epoch').where('name', '=', LEADERSHIP).executeTakeFirst();
  if (found !== undefined) {
    return;
  }
  await db.insertInto('leadership').ignore().values({ name: LEADERSHIP, epoch: 0, broker_lease_ttl_ms: 0 }).execute();
}

/** Reads the row without waiting for its lock. */
export async function readLeadership(db: Database): Promise<LeadershipRecord> {
  const row = await db
    .selectFrom('leadership')
    .select(['holder', 'incarnation', 'epoch', 'expires_at', 'connection_id'])
    .select(sql<number>`expires_at - ${NOW_MS}`.as('remaining'))
    .where('name', '=', LEADERSHIP)
    .executeTakeFirst();
  if (row === undefined) {
    throw new HermesError('STORAGE_UNAVAILABLE', 'the metadata database has lost its leadership row');
  }
  const { holder, incarnation, epoch, expires_at: expiresAtMs, connection_id: connectionId } = row;
  return { holder, incarnation, epoch, expiresAtMs, connectionId, remainingMs: row.remaining };
}

/** Takes a leadership that has ended, unless another candidate was faster. Gives the new epoch. */
export async function takeLeadership(
  db: Database,
  { candidate, seen, ttlMs }: { candidate: Candidate; seen: Holding; ttlMs: number },
): Promise<number | undefined> {
  const epoch = seen.epoch + 1;
  const { numUpdatedRows } = await db
    .updateTable('leadership')
    .set({ ...candidate, epoch, write_seq: 0, ...term(ttlMs) })
    .where(owned(seen))
    .where('expires_at', '<=', NOW_MS)
    .executeTakeFirst();
  return numUpdatedRows === 1n ? epoch : undefined;
}

/** Prolongs it from now. False: it is another's by now. */
export async function renewLeadership(db: Database, holding: Holding, ttlMs: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('leadership')
    .set(term(ttlMs))
    .where(owned(holding))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Ends it now, so that the next one need not wait. */
export async function releaseLeadership(db: Database, holding: Holding): Promise<void> {
  await db.updateTable('leadership').set({ expires_at: 0 }).where(owned(holding)).execute();
}

/** Locks the row for a transaction and notes it as the holder's `writeSeq`th. False: it is another's by now. */
export async function lockLeadership(tx: Tx, holding: Holding, writeSeq: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('leadership')
    .set({ write_seq: writeSeq })
    .where(owned(holding))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/**
 * The holder's last transaction that was committed, once every one that was under way has ended: the locking read
 * waits for it. Undefined: it is another's by now.
 */
export async function committedWriteSeq(db: Database, holding: Holding): Promise<number | undefined> {
  const row = await db
    .selectFrom('leadership')
    .select('write_seq')
    .where(owned(holding))
    .forUpdate()
    .executeTakeFirst();
  return row?.write_seq;
}

/** Ends a connection; whatever it had locked is free again soon. One that is gone is no error. */
export async function killConnection(db: Database, connectionId: number): Promise<void> {
  const { rows } = await sql<{ id: number }>`select id from information_schema.processlist
    where id = ${connectionId} and db = database() and id <> connection_id()`.execute(db);
  for (const { id } of rows) {
    await sql.raw(`kill connection ${id}`).execute(db);
  }
}

function term(ttlMs: number): { expires_at: RawBuilder<number>; connection_id: RawBuilder<number> } {
  return { expires_at: sql<number>`${NOW_MS} + ${ttlMs}`, connection_id: sql<number>`connection_id()` };
}

function owned({ holder, incarnation, epoch }: Holding): RawBuilder<boolean> {
  const name = LEADERSHIP;
  return sql<boolean>`name = ${name} and holder = ${holder} and incarnation = ${incarnation} and epoch = ${epoch}`;
}
