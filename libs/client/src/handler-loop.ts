import { type HermesError, LIMITS } from '@hermes/contracts';
import { type CancelTimer, type Timers } from '@hermes/runtime';
import { DeadLetter } from './dead-letter.js';
import { type Delivery, type Held, type HeldDelivery, type SettleFailureListener } from './delivery.js';
import { RetryLater } from './retry-later.js';

const REASON_BYTES_MAX = LIMITS.ackReasonBytes;

/** What `run` calls for each message. */
export type Handler<T> = (delivery: Delivery<T>) => unknown;

/** What `runBatches` calls for the messages that are there, at least one. */
export type BatchHandler<T> = (deliveries: readonly Delivery<T>[]) => unknown;

/** How messages are put together for one handler. */
export interface BatchTerms {
  /** Messages of one call at most. */
  readonly size: number;
  /** How long the first one waits for others. */
  readonly waitMs: number;
}

/** What a loop works on. */
export interface HandlerLoopOptions<T> {
  readonly handler: BatchHandler<T>;
  readonly terms: BatchTerms;
  /** Handlers that run at once. */
  readonly concurrency: number;
  readonly timers: Timers;
  /** The next deliveries for one handler, if there are any now. */
  readonly next: (max: number) => readonly Held[];
  /** How many wait for a handler. */
  readonly waiting: () => number;
  /** A delivery as its handler sees it. */
  readonly present: (held: Held) => HeldDelivery<T>;
  /** A handler has ended, whatever became of its deliveries. */
  readonly finished: (batch: readonly Held[]) => void;
  /** Told of decisions that a server refused. */
  readonly onSettleFailure: SettleFailureListener | undefined;
}

/** Runs a handler per batch of deliveries, at most `concurrency` at once, and settles each by what its handler does. */
export class HandlerLoop<T> {
  readonly #options: HandlerLoopOptions<T>;
  #running = 0;
  #cancelWait: CancelTimer | undefined;

  constructor(options: HandlerLoopOptions<T>) {
    this.#options = options;
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running;
  }

  /** Starts handlers for what there is, unless a fuller batch is waited for. */
  wake(): void {
    const { concurrency, terms, waiting, timers } = this.#options;
    if (terms.waitMs === 0) {
      this.#start();
      return;
    }
    while (this.#running < concurrency && waiting() >= terms.size && this.#startOne()) {
      // Full ones need not wait.
    }
    if (waiting() > 0) {
      this.#cancelWait ??= timers.after(terms.waitMs, () => {
        this.#cancelWait = undefined;
        this.#start();
      });
    }
  }

  /** Waits for nothing any more. */
  stop(): void {
    this.#cancelWait?.();
  }

  #start(): void {
    while (this.#running < this.#options.concurrency && this.#startOne()) {
      // As many as there are deliveries for.
    }
  }

  #startOne(): boolean {
    const batch = this.#options.next(this.#options.terms.size);
    if (batch.length > 0) {
      void this.#handle(batch);
    }
    return batch.length > 0;
  }

  async #handle(batch: readonly Held[]): Promise<void> {
    const { handler, present, finished } = this.#options;
    this.#running += 1;
    const deliveries = batch.map((held) => {
      held.isHandled = true;
      return present(held);
    });
    try {
      await handler(deliveries);
      this.#settle(batch, deliveries, (delivery) => delivery.done());
    } catch (error) {
      this.#settle(batch, deliveries, (delivery) => giveUp(delivery, error));
    }
    this.#running -= 1;
    finished(batch);
  }

  /** In their order; in an EXCLUSIVE lane the first failure voids those behind it, which need no decision then. */
  #settle(
    batch: readonly Held[],
    deliveries: readonly HeldDelivery<T>[],
    decide: (delivery: HeldDelivery<T>) => Promise<void>,
  ): void {
    const { onSettleFailure } = this.#options;
    const wasLost = batch.map(({ state }) => state === 'lost');
    batch.forEach((held, nth) => {
      const delivery = deliveries[nth];
      if (delivery !== undefined && (held.state === 'handed' || wasLost[nth] === true)) {
        decide(delivery).catch((error: unknown) => {
          onSettleFailure?.(error as HermesError, delivery.id);
        });
      }
    });
  }
}

function giveUp<T>(delivery: HeldDelivery<T>, error: unknown): Promise<void> {
  const reason = reasonOf(error);
  if (error instanceof DeadLetter) {
    return delivery.deadLetter(reason);
  }
  return delivery.nack(error instanceof RetryLater ? { delayMs: error.delayMs, reason } : { reason });
}

function reasonOf(error: unknown): string {
  const text = textOf(error);
  const bytes = Buffer.from(text);
  return bytes.length <= REASON_BYTES_MAX ? text : bytes.subarray(0, REASON_BYTES_MAX - 4).toString('utf8');
}

function textOf(error: unknown): string {
  if (error instanceof DeadLetter) {
    return error.message;
  }
  if (error instanceof Error) {
    return `${error.name}: ${error.message}`;
  }
  return typeof error === 'string' ? error : 'something that is no Error was thrown';
}
