import { HermesError } from '@hermes/contracts';
import { createDeferred, type Deferred, type Timers } from '@hermes/runtime';

import { type Waiting } from '../admin/cluster-view.js';

/** The answer needs this long to reach a caller whose own clock runs to the same deadline. */
const ANSWER_MARGIN_MS = 250;
/** Each waiting call holds a stream of its connection anyway; beyond this somebody is looping. */
export const WAITERS_MAX = 10_000;

interface Waiter {
  readonly topic: string;
  readonly revision: number;
  readonly deferred: Deferred<undefined>;
}

/** Calls that wait until the owners of a topic are ready with a revision. */
export class Readiness {
  readonly #waiters = new Set<Waiter>();
  readonly #timers: Timers;
  readonly #isReady: (topic: string, revision: number) => boolean;
  readonly #why: (topic: string) => string;

  /** `why` explains what a topic still waits for. */
  constructor(options: {
    readonly timers: Timers;
    readonly isReady: (topic: string, revision: number) => boolean;
    readonly why: (topic: string) => string;
  }) {
    this.#timers = options.timers;
    this.#isReady = options.isReady;
    this.#why = options.why;
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  /** Resolves once ready; PARTITION_MOVING just before the deadline, the signal's reason when nobody waits any more. */
  async wait(topic: string, revision: number, { deadlineMs, signal }: Waiting): Promise<void> {
    if (this.#isReady(topic, revision)) {
      return;
    }
    if (this.#waiters.size >= WAITERS_MAX) {
      throw new HermesError('BACKPRESSURE', `${WAITERS_MAX} calls wait for partitions already`);
    }
    const waiter: Waiter = { topic, revision, deferred: createDeferred<undefined>() };
    const cancelTimer = this.#timers.after(Math.max(deadlineMs / 2, deadlineMs - ANSWER_MARGIN_MS), () => {
      waiter.deferred.reject(new HermesError('PARTITION_MOVING', this.#why(topic), { details: { topic } }));
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
      if (waiter.topic === topic && this.#isReady(topic, waiter.revision)) {
        waiter.deferred.resolve(undefined);
      }
    }
  }

  /** Nobody needs to wait any more: for one topic, or for all. */
  fail(error: HermesError, topic?: string): void {
    for (const waiter of this.#waiters) {
      if (topic === undefined || waiter.topic === topic) {
        waiter.deferred.reject(error);
      }
    }
  }
}
