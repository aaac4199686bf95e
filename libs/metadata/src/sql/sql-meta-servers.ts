import { type RawBuilder, sql } from 'kysely';

import { type Leader } from '../leadership.js';
import { type LeadershipTerm, type MetaServerStore } from '../metadata.js';
import { type Database, type Tx } from './schema.js';

/** Whoever has said nothing for so long is gone. */
const PRESENT_MS = 15_000;
/** Terms that are remembered. */
const TERMS_MAX = 20;

/** Who runs and who led, in SQL; `now` is the database's clock, in ms. */
export class SqlMetaServers implements MetaServerStore {
  readonly #db: Database;
  readonly #nowMs: RawBuilder<number>;

  constructor(db: Database, nowMs: RawBuilder<number>) {
    this.#db = db;
    this.#nowMs = nowMs;
  }

  async announce(endpoint: string): Promise<void> {
    await this.#db.replaceInto('meta_server').values({ endpoint, seen_at: this.#nowMs }).execute();
  }

  async withdraw(endpoint: string): Promise<void> {
    await this.#db.deleteFrom('meta_server').where('endpoint', '=', endpoint).execute();
  }

  async list(): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('meta_server')
      .select('endpoint')
      .where('seen_at', '>', sql<number>`${this.#nowMs} - ${PRESENT_MS}`)
      .orderBy('endpoint')
      .execute();
    return rows.map(({ endpoint }) => endpoint);
  }

  async terms(): Promise<LeadershipTerm[]> {
    const rows = await this.#db
      .selectFrom('leadership_term')
      .selectAll()
      .orderBy('epoch', 'desc')
      .limit(TERMS_MAX)
      .execute();
    return rows.map(({ epoch, endpoint, since }) => ({ epoch, endpoint, sinceMs: since }));
  }
}

/** Remembers that a term began, and forgets the oldest ones. */
export async function saveTerm(tx: Tx, { endpoint, epoch }: Leader, nowMs: RawBuilder<number>): Promise<void> {
  await tx.replaceInto('leadership_term').values({ epoch, endpoint, since: nowMs }).execute();
  await tx
    .deleteFrom('leadership_term')
    .where('epoch', '<=', epoch - TERMS_MAX)
    .execute();
}
