import { HermesError } from '@hermes/contracts';
import { type EndLeaseEffect, type PersistEffect } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { type Metadata } from '@hermes/metadata';
import { Backoff, sleep, type Timers } from '@hermes/runtime';

/** A disk that is full or busy may recover; until then leases run out by themselves, which is safe. */
const RETRY = { initialMs: 50, maxMs: 1_000 };
const ATTEMPTS_MAX = 10;

/** What the leases have the database do. */
export interface LeaseWrites {
  readonly persist: (changes: PersistEffect) => Promise<void>;
  /** Gives how long the lease lasts, in ms; 0: it has ended. */
  readonly endLease: (lease: EndLeaseEffect) => Promise<number>;
}

/**
 * Writes what the leases decided; tries again for some seconds, then throws the last failure. Rows are written whole, so
 * once more is as good as once, also where nobody knows whether the first time was. A deposed leader does not try again.
 */
export function leaseWrites(options: {
  readonly metadata: Pick<Metadata, 'leases' | 'brokerLeases'>;
  readonly timers: Timers;
  readonly logger: Logger;
}): LeaseWrites {
  const { metadata, timers, logger } = options;
  const insist = async <T>(write: () => Promise<T>): Promise<T> => {
    const backoff = new Backoff(RETRY);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await write();
      } catch (error) {
        const deposed = error instanceof HermesError && error.code === 'NOT_LEADER';
        if (deposed || attempt === ATTEMPTS_MAX) {
          throw error;
        }
        logger.warn({ err: error, attempt }, 'what the leases decided could not be written');
        await sleep(timers, backoff.nextDelayMs());
      }
    }
  };
  return {
    persist: (changes) => insist(() => metadata.leases.save(changes)),
    endLease: ({ broker, incarnation, lastsAtMostMs }) =>
      insist(async () => (await metadata.brokerLeases?.end({ broker, incarnation }, lastsAtMostMs)) ?? 0),
  };
}
