import { HermesError } from '@hermes/contracts';
import { createDeferred, type Deferred, type Timers } from '@hermes/runtime';

import { type Waiting } from '../admin/cluster-view.js';

/** The answer needs this long to reach a caller whose own clock runs to the same deadline. */
const ANSWER_MARGIN_MS = 250;
/** Each waiting call holds a stream of its connection anyway; beyond this somebody is looping. */
export const WAITERS_MAX = 10_000;

/** What a call waits for. */
export interface Awaited {
  readonly topic: string;
  isReady(): boolean;
  /** Explains what is still missing. */
  why(): string;
}

interface Waiter {
  readonly awaited: Awaited;
  readonly deferred: Deferred<undefined>;
}

/** Calls that wait for the owners of a topic's partitions. */
export class Readiness {
  readonly #waiters = new Set<Waiter>();
  readonly #timers: Timers;
  #ended: HermesError | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  /** Resolves once ready; PARTITION_MOVING just before the deadline, the signal's reason when nobody waits any more. */
  async wait(awaited: Awaited, { deadlineMs, signal }: Waiting): Promise<void> {
    const { topic } = awaited;
    if (awaited.isReady()) {
      return;
    }
    if (this.#ended !== undefined) {
      throw this.#ended;
    }
    if (this.#waiters.size >= WAITERS_MAX) {
      throw new HermesError('BACKPRESSURE', `${WAITERS_MAX} calls wait for partitions already`);
    }
    const waiter: Waiter = { awaited, deferred: createDeferred<undefined>() };
    const cancelTimer = this.#timers.after(Math.max(deadlineMs / 2, deadlineMs - ANSWER_MARGIN_MS), () => {
      waiter.deferred.reject(new HermesError('PARTITION_MOVING', awaited.why(), { details: { topic } }));
    });
    const onAbort = (): void => {
      waiter.deferred.reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    try {
      await waiter.deferred.promise;
    } finally {
      this.#waiters.delete(waiter);
      cancelTimer();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** The topic's readiness has changed. */
  changed(topic: string): void {
    for (const waiter of this.#waiters) {
      if (waiter.awaited.topic === topic && waiter.awaited.isReady()) {
        waiter.deferred.resolve(undefined);
      }
    }
  }

  /** Nobody needs to wait for this topic any more. */
  fail(error: HermesError, topic: string): void {
    for (const waiter of this.#waiters) {
      if (waiter.awaited.topic === topic) {
        waiter.deferred.reject(error);
      }
    }
  }

  /** Nobody needs to wait any more, nor begin to. */
  end(error: HermesError): void {
    this.#ended ??= error;
    for (const waiter of this.#waiters) {
      waiter.deferred.reject(error);
    }
  }
}
