import { type LeaseChange, type LeaseHolder, type Now } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { type SharedBrokerLease } from '@hermes/metadata';
import { type CancelTimer, type Timers } from '@hermes/runtime';

/** A database that failed is asked again sooner than a lease's third: a lease may be running out. */
const RETRY_MS = 500;

const RENEWALS_PER_TTL = 3;

export interface DatabaseRenewalOptions {
  readonly lease: Pick<SharedBrokerLease, 'renew' | 'assignments'>;
  readonly holder: LeaseHolder;
  /** Length of the lease, as it was granted last. */
  readonly ttlMs: () => number;
  /** Told what each renewal found; the lease may have been prolonged. */
  readonly onRenewed: (change: LeaseChange) => void;
  readonly now: () => Now;
  readonly timers: Timers;
  readonly logger: Logger;
}

/**
 * Renews the broker's lease in the metadata database for as long as no meta-server answers: owners then outlive every
 * meta-server. Nothing is granted this way; what the database has given to nobody or to another is closed.
 */
export class DatabaseRenewal {
  readonly #options: DatabaseRenewalOptions;
  /** Grows with each begin: a renewal that was under way at an end does not go on beside the next. */
  #run = 0;
  #running = false;
  #renewed = false;
  #cancel: CancelTimer = () => undefined;

  constructor(options: DatabaseRenewalOptions) {
    this.#options = options;
  }

  /** True while the lease lives by the database. */
  get active(): boolean {
    return this.#renewed;
  }

  /** No meta-server answers: renews now and from then on. Idempotent. */
  begin(): void {
    if (!this.#running) {
      this.#running = true;
      this.#run += 1;
      this.#after(0, this.#run);
    }
  }

  /** A meta-server answers again. Idempotent. */
  end(): void {
    if (this.#renewed) {
      this.#options.logger.info({}, 'a meta-server renews the lease again');
    }
    this.#running = false;
    this.#renewed = false;
    this.#cancel();
  }

  async #renew(run: number): Promise<void> {
    const { lease, holder, ttlMs, onRenewed, now, logger } = this.#options;
    const { renewal, change } = holder.renewal(now());
    onRenewed(change);
    if (renewal === undefined) {
      // Nothing is held, so nothing can be kept: the next grant comes from a meta-server.
      this.end();
      return;
    }
    let nextMs = RETRY_MS;
    try {
      const length = ttlMs();
      if (await lease.renew(length)) {
        const owned = await lease.assignments();
        onRenewed(holder.renewed(renewal, { ttlMs: length, owned }, now()));
        this.#noteRenewed(run);
        nextMs = length / RENEWALS_PER_TTL;
      } else {
        logger.warn({}, 'the metadata database has another process for this broker’s name, or has ended its lease');
      }
    } catch (error) {
      logger.warn({ err: error }, 'the lease could not be renewed in the metadata database');
    }
    if (this.#isCurrent(run)) {
      this.#after(nextMs, run);
    }
  }

  #noteRenewed(run: number): void {
    if (this.#isCurrent(run) && !this.#renewed) {
      this.#renewed = true;
      this.#options.logger.warn(
        { ttlMs: this.#options.ttlMs() },
        'no meta-server answers: the lease is renewed in the metadata database',
      );
    }
  }

  #isCurrent(run: number): boolean {
    return this.#running && run === this.#run;
  }

  #after(delayMs: number, run: number): void {
    this.#cancel = this.#options.timers.after(delayMs, () => {
      void this.#renew(run);
    });
  }
}
