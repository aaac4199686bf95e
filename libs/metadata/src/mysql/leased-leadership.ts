import { HermesError } from '@hermes/contracts';
import { type CancelTimer, type Clock, createDeferred, type Timers } from '@hermes/runtime';

import { type Leadership } from '../leadership.js';
import { type Database } from '../sql/schema.js';
import { isLockBusy } from './mysql-fault.js';
import {
  type Candidate,
  type Holding,
  killConnection,
  type LeadershipRecord,
  readLeadership,
  releaseLeadership,
  renewLeadership,
  takeLeadership,
} from './leadership-row.js';

/** How long a leader leads after its last renewal. */
export const LEADERSHIP_TTL_MS = 5_000;
/** Four renewals may fail before a leader steps down. */
const RENEW_MS = 1_000;
const RETRY_MS = 250;
/** A leader believes in itself for that much less than the database does: what it says last must arrive in time. */
const MARGIN_MS = 500;

/** Whether leadership was taken; `held` tells by whom, if it was not. */
export type TakeOutcome =
  { readonly kind: 'taken'; readonly epoch: number } | { readonly kind: 'held'; readonly by: LeadershipRecord };

/** What leadership is made of. */
export interface LeasedLeadershipOptions {
  /** One connection, so that whoever kills it has ended all that this process does as a leader. */
  readonly db: Database;
  readonly candidate: Candidate;
  readonly clock: Clock;
  readonly timers: Timers;
}

/**
 * Leadership for a time, by the one row of `leadership`: taken and renewed by compare-and-set with the database's
 * clock. A candidate calls `take` until it is taken; from then on it renews itself until it is lost or released. One
 * object is one candidacy: whoever lost leadership and wants it again makes another.
 */
export class LeasedLeadership implements Leadership {
  readonly #options: LeasedLeadershipOptions;
  readonly #lost = createDeferred<HermesError>();
  #holding: Holding | undefined;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  #cancelRenewal: CancelTimer | undefined;
  #cancelEnd: CancelTimer | undefined;
  #over = false;

  constructor(options: LeasedLeadershipOptions) {
    this.#options = options;
  }

  /** The leadership that this process took last. */
  get holding(): Holding | undefined {
    return this.#holding;
  }

  /** True once it is lost or given back: for good. */
  get isOver(): boolean {
    return this.#over;
  }

  get epoch(): number {
    return this.#holding?.epoch ?? 0;
  }

  get validUntilMs(): number {
    return this.#validUntilMs;
  }

  get lost(): Promise<HermesError> {
    return this.#lost.promise;
  }

  isValid(): boolean {
    return this.#options.clock.monotonicMs() < this.#validUntilMs;
  }

  /** Takes leadership if nobody has it. A holder that stands still over the row's lock loses its connection. */
  async take(): Promise<TakeOutcome> {
    const { db, candidate, clock } = this.#options;
    const seen = await readLeadership(db);
    if (seen.remainingMs > 0) {
      return { kind: 'held', by: seen };
    }
    const sentAtMs = clock.monotonicMs();
    const epoch = await this.#takeFrom(seen);
    if (epoch === undefined) {
      return { kind: 'held', by: await readLeadership(db) };
    }
    this.#holding = { ...candidate, epoch };
    this.#renewed(sentAtMs);
    this.#renewAfter(RENEW_MS);
    return { kind: 'taken', epoch };
  }

  /** Prolongs leadership from now; NOT_LEADER if it is another's by now. */
  async renew(): Promise<void> {
    const { db, clock } = this.#options;
    if (this.#holding === undefined) {
      return;
    }
    // Counted from here: the database counts from when the statement starts, which is later.
    const sentAtMs = clock.monotonicMs();
    if (await renewLeadership(db, this.#holding, LEADERSHIP_TTL_MS)) {
      this.#renewed(sentAtMs);
    } else {
      throw await this.noteDeposed();
    }
  }

  /** The row has been found to be another's: leadership is lost. Gives the error that says whose it is. */
  async noteDeposed(): Promise<HermesError> {
    this.#end();
    const by = await readLeadership(this.#options.db).catch(() => undefined);
    const error =
      by === undefined
        ? new HermesError('NOT_LEADER', 'this meta-server leads no longer')
        : new HermesError('NOT_LEADER', `${by.holder} leads by now, at epoch ${by.epoch}`, {
            details: { endpoint: by.holder, epoch: String(by.epoch) },
          });
    this.#lost.resolve(error);
    return error;
  }

  /** Gives leadership back at once; nothing is renewed any more. */
  async release(): Promise<void> {
    const holding = this.#holding;
    this.#end();
    if (holding !== undefined) {
      await releaseLeadership(this.#options.db, holding);
    }
  }

  /** Undefined: somebody was faster, or still has the row's lock. */
  async #takeFrom(seen: LeadershipRecord): Promise<number | undefined> {
    const { db, candidate } = this.#options;
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      try {
        return await takeLeadership(db, { candidate, seen, ttlMs: LEADERSHIP_TTL_MS });
      } catch (error) {
        if (!isLockBusy(error)) {
          throw error;
        }
        await killConnection(db, seen.connectionId);
      }
    }
    return undefined;
  }

  #renewed(sentAtMs: number): void {
    const { clock, timers } = this.#options;
    if (this.#over) {
      // Whoever was told that leadership is lost was told for good.
      return;
    }
    this.#validUntilMs = sentAtMs + LEADERSHIP_TTL_MS - MARGIN_MS;
    this.#cancelEnd?.();
    this.#cancelEnd = timers.after(this.#validUntilMs - clock.monotonicMs(), () => {
      this.#end();
      this.#lost.resolve(new HermesError('NOT_LEADER', 'leadership ran out: it could not be renewed in time'));
    });
  }

  #renewAfter(delayMs: number): void {
    if (!this.#over) {
      this.#cancelRenewal = this.#options.timers.after(delayMs, () => {
        void this.#renewAgain();
      });
    }
  }

  async #renewAgain(): Promise<void> {
    try {
      await this.renew();
      this.#renewAfter(RENEW_MS);
    } catch {
      // A fault of the database: tried again until leadership has run out. That it is lost is told already.
      this.#renewAfter(RETRY_MS);
    }
  }

  #end(): void {
    this.#over = true;
    this.#validUntilMs = Number.NEGATIVE_INFINITY;
    this.#cancelRenewal?.();
    this.#cancelEnd?.();
  }
}
