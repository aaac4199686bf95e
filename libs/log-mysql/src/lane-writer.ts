import { RECORD_KIND, StoreError } from '@hermes/log';
import { Backoff, invariant, type Random, random53, sleep, type Timers } from '@hermes/runtime';

import type { ConnectionSlot } from './connection-set.js';
import { type LaneInsert, markInsert } from './lane-insert.js';
import type { LaneTable } from './lane-table.js';
import { definiteFault, ERRNO, errnoOf, MysqlError, readFault } from './mysql-fault.js';
import type { Session } from './session.js';

/** What is known for certain of an insert. */
export type DefiniteInsert =
  | { readonly kind: 'stored' }
  /** A newer owner has these offsets; nothing was stored, and never will be. */
  | { readonly kind: 'fenced'; readonly epoch: number }
  /** Nothing was stored, and never will be. `voidedAt` is the offset that a void record took for that. */
  | { readonly kind: 'failed'; readonly error: StoreError; readonly voidedAt?: number };

export type InsertOutcome = DefiniteInsert | { readonly kind: 'unknown' };

export type ClaimOutcome = Exclude<InsertOutcome, { readonly kind: 'fenced' }> | { readonly kind: 'taken' };

/** The first row is there already, of another append. */
interface Taken {
  readonly kind: 'taken';
  readonly epoch: number;
  readonly appendId: number;
}

type SendOutcome = Exclude<InsertOutcome, { readonly kind: 'fenced' }> | Taken;

export interface LaneWriterOptions {
  readonly table: LaneTable;
  readonly epoch: number;
  /** All inserts of a lane go over one connection, one at a time. */
  readonly slot: ConnectionSlot;
  readonly timers: Timers;
  readonly random: Random;
  /**
   * Looks at a connection that this lane was not on before; rejects if it must not be written to. `end` is one above
   * the highest offset that was stored here.
   */
  readonly check: (session: Session, end: number) => Promise<void>;
}

/** Between two tries to learn an outcome. */
const RETRY = { initialMs: 20, maxMs: 1_000 };

/**
 * Inserts rows into one lane under its fence, the primary key. Every insert is one statement that commits by itself.
 *
 * A statement whose connection was lost may still run much later, so that not finding its rows proves nothing. It is
 * sent again as it is: whichever of the two comes second meets a duplicate key, and `append_id` tells whose the first
 * was.
 */
export class LaneWriter {
  readonly table: LaneTable;
  readonly epoch: number;
  readonly #options: LaneWriterOptions;
  #checkedSession: Session | undefined;
  #end = 0;

  constructor(options: LaneWriterOptions) {
    this.#options = options;
    this.table = options.table;
    this.epoch = options.epoch;
  }

  /** Tries once to append at the lane's end, as this owner knows it. */
  async insert(insert: LaneInsert): Promise<InsertOutcome> {
    const outcome = await this.#send(insert);
    return outcome.kind === 'taken' ? this.#fencedBy(outcome, insert) : outcome;
  }

  /** Tries once to insert where anybody may have been first: `taken`. Repeated with the same rows it is harmless. */
  async claim(insert: LaneInsert): Promise<ClaimOutcome> {
    const outcome = await this.#send(insert);
    return outcome.kind === 'taken' ? { kind: 'taken' } : outcome;
  }

  /**
   * Learns what became of an insert of unknown outcome. Takes as long as the server is away; rejects with the signal's
   * reason when that is aborted first. If the server refuses the rows now, a void record takes their first offset, so
   * that they can never be stored any more.
   */
  async resolve(insert: LaneInsert, signal: AbortSignal): Promise<DefiniteInsert> {
    const backoff = new Backoff(RETRY, this.#options.random);
    const { offset, appendedAtMs } = insert;
    const mark = { kind: RECORD_KIND.void, offset, epoch: this.epoch, appendId: random53(this.#options.random) };
    const voiding = markInsert(this.table, mark, appendedAtMs);
    let refusal = new StoreError('unavailable', `the append at ${offset} of ${this.table.name} was given up`);
    for (;;) {
      signal.throwIfAborted();
      const again = await this.#send(insert);
      if (again.kind === 'stored') {
        return again;
      }
      if (again.kind === 'taken') {
        const isVoided = again.appendId === voiding.appendId;
        return isVoided ? { kind: 'failed', error: refusal, voidedAt: offset } : this.#fencedBy(again, insert);
      }
      if (again.kind === 'failed') {
        refusal = again.error;
        const voided = await this.#send(voiding);
        if (voided.kind === 'stored') {
          return { kind: 'failed', error: refusal, voidedAt: offset };
        }
        // Taken, also by the rows themselves, says the next try; of everything else nothing is known.
      }
      await sleep(this.#options.timers, backoff.nextDelayMs(), signal);
    }
  }

  async #send(insert: LaneInsert): Promise<SendOutcome> {
    try {
      return await this.#options.slot.run(async (session) => {
        await this.#check(session);
        const outcome = await this.#attempt(session, insert);
        if (outcome.kind === 'stored') {
          this.#end = insert.offset + insert.count;
        }
        return outcome;
      });
    } catch (error) {
      // A StoreError says that it was not sent: there was no connection, or none to be used.
      const definite = definiteFault(error, `append to ${this.table.name}`);
      if (definite === undefined && !(error instanceof MysqlError)) {
        throw error;
      }
      return definite === undefined ? { kind: 'unknown' } : { kind: 'failed', error: definite };
    }
  }

  async #attempt(session: Session, insert: LaneInsert): Promise<SendOutcome> {
    try {
      await session.execute(insert.sql, insert.values);
      return { kind: 'stored' };
    } catch (error) {
      if (errnoOf(error) !== ERRNO.duplicateEntry) {
        throw error;
      }
    }
    const { offset, count, appendId } = insert;
    const writer = await this.table.writerOf(session, offset, offset + count);
    invariant(writer !== undefined, `offset ${offset} of ${this.table.name} is a duplicate of nothing`);
    return writer.appendId === appendId ? { kind: 'stored' } : { kind: 'taken', ...writer };
  }

  /** At the end that this owner knows, only a newer one can have been first. */
  #fencedBy({ epoch }: Taken, { offset }: LaneInsert): DefiniteInsert {
    invariant(epoch > this.epoch, `offset ${offset} of ${this.table.name} is of epoch ${epoch}, ours is ${this.epoch}`);
    return { kind: 'fenced', epoch };
  }

  /** A read, once per connection: whatever comes of it, nothing was sent. */
  async #check(session: Session): Promise<void> {
    if (session === this.#checkedSession) {
      return;
    }
    try {
      await this.#options.check(session, this.#end);
    } catch (error) {
      throw readFault(error, `look at ${this.table.name}`);
    }
    this.#checkedSession = session;
  }
}
