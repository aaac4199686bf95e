import { HermesError } from '@hermes/contracts';
import { type PersistEffect } from '@hermes/coordination';
import { type Logger } from '@hermes/kit';
import { type Metadata } from '@hermes/metadata';
import { Backoff, sleep, type Timers } from '@hermes/runtime';

/** A disk that is full or busy may recover; until then leases run out by themselves, which is safe. */
const RETRY = { initialMs: 50, maxMs: 1_000 };
const ATTEMPTS_MAX = 10;

/**
 * Writes what the leases decided; tries again for some seconds, then throws the last failure. Rows are written whole, so
 * once more is as good as once, also where nobody knows whether the first time was. A deposed leader does not try again.
 */
export function persistWithRetry(options: {
  readonly metadata: Metadata;
  readonly timers: Timers;
  readonly logger: Logger;
}): (changes: PersistEffect) => Promise<void> {
  const { metadata, timers, logger } = options;
  return async (changes) => {
    const backoff = new Backoff(RETRY);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await metadata.leases.save(changes);
        return;
      } catch (error) {
        const deposed = error instanceof HermesError && error.code === 'NOT_LEADER';
        if (deposed || attempt === ATTEMPTS_MAX) {
          throw error;
        }
        logger.warn({ err: error, attempt }, 'assignments could not be written');
        await sleep(timers, backoff.nextDelayMs());
      }
    }
  };
}
