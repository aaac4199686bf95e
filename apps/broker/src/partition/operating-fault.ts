import { HermesError } from '@hermes/contracts';
import { StoreError } from '@hermes/log';
import { Backoff, type Random, sleep, type Timers } from '@hermes/runtime';

/** Between two tries while the meta-server or the store does not answer. */
const RETRY = { initialMs: 100, maxMs: 5_000 };

export interface RetryOptions {
  readonly timers: Timers;
  readonly random: Random;
  /** Aborted: it is not wanted any more, and nothing is tried again. */
  readonly signal: AbortSignal;
  /** Unset: until it is done. */
  readonly triesMax?: number;
  readonly onFault?: (error: unknown) => void;
}

/** Runs `step` again while it fails for want of a store or a meta-server. Rejects with anything else: that is a bug. */
export async function retryFaults(step: () => Promise<void>, options: RetryOptions): Promise<void> {
  const { timers, random, signal, triesMax = Number.POSITIVE_INFINITY } = options;
  const backoff = new Backoff(RETRY, random);
  for (let tries = 0; tries < triesMax && !signal.aborted; tries += 1) {
    try {
      await step();
      return;
    } catch (error) {
      if (!isOperatingFault(error)) {
        throw error;
      }
      options.onFault?.(error);
      // Aborted: the loop sees it.
      await sleep(timers, backoff.nextDelayMs(), signal).catch(() => undefined);
    }
  }
}

function isOperatingFault(error: unknown): boolean {
  return error instanceof HermesError || (error instanceof StoreError && error.kind !== 'fatal');
}
