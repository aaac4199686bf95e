import { HermesError } from '@hermes/contracts';
import { sleep, type Timers } from '@hermes/runtime';

import { type ControlledTransaction } from 'kysely';

import { type Database, type Schema, type Tx } from '../sql/schema.js';
import { type LeasedLeadership } from './leased-leadership.js';
import { committedWriteSeq, type Holding, lockLeadership } from './leadership-row.js';

const RETRY_MS = 100;

/**
 * The leader's transactions, one at a time. Each first locks the leadership's row as this leader's own, which is three
 * things in one: a deposed leader changes nothing; transactions come one after the other; and the number that it
 * leaves there tells, when the answer to a COMMIT was lost, whether that was carried out.
 */
export class LeaderWrites {
  readonly #db: Database;
  readonly #leadership: LeasedLeadership;
  readonly #timers: Timers;
  #last: Promise<unknown> = Promise.resolve();
  #writeSeq = 0;

  constructor({ db, leadership, timers }: { db: Database; leadership: LeasedLeadership; timers: Timers }) {
    this.#db = db;
    this.#leadership = leadership;
    this.#timers = timers;
  }

  write<T>(action: (tx: Tx) => Promise<T>): Promise<T> {
    // A transaction of unknown outcome is resolved before the next one overwrites its number.
    const written = this.#last.then(() => this.#write(action));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async #write<T>(action: (tx: Tx) => Promise<T>): Promise<T> {
    const { holding } = this.#leadership;
    if (holding === undefined || this.#leadership.isOver) {
      throw await this.#leadership.noteDeposed();
    }
    this.#writeSeq += 1;
    const tx = await this.#db.startTransaction().execute();
    let result: T;
    try {
      if (!(await lockLeadership(tx, holding, this.#writeSeq))) {
        throw new Deposed();
      }
      result = await action(tx);
    } catch (error) {
      await abandon(tx);
      throw error instanceof Deposed ? await this.#leadership.noteDeposed() : error;
    }
    try {
      await tx.commit().execute();
    } catch (error) {
      await abandon(tx);
      await this.#resolve(holding, error);
    }
    return result;
  }

  /** Returns if the transaction was committed, throws `fault` if it was not, OUTCOME_UNKNOWN if that stays open. */
  async #resolve(holding: Holding, fault: unknown): Promise<void> {
    while (this.#leadership.isValid()) {
      // The locking read waits until the transaction has ended, one way or the other.
      const committed = await committedWriteSeq(this.#db, holding).catch(() => 'unread' as const);
      if (committed === this.#writeSeq) {
        return;
      }
      if (committed === undefined) {
        await this.#leadership.noteDeposed();
      } else if (committed !== 'unread') {
        throw fault;
      }
      await sleep(this.#timers, RETRY_MS);
    }
    throw new HermesError('OUTCOME_UNKNOWN', 'leadership ended before it was known whether a change was committed', {
      cause: fault,
    });
  }
}

/** Gives the connection back. One on which nothing can be rolled back is gone, and its transaction with it. */
async function abandon(tx: ControlledTransaction<Schema>): Promise<void> {
  await tx
    .rollback()
    .execute()
    .catch(() => undefined);
}

/** The leadership's row is another's. */
class Deposed extends Error {}
