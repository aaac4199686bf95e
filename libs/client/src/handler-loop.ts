import { type HermesError, LIMITS } from '@hermes/contracts';
import { DeadLetter } from './dead-letter.js';
import { type Delivery, type Held, type HeldDelivery, type SettleFailureListener } from './delivery.js';
import { RetryLater } from './retry-later.js';

const REASON_BYTES_MAX = LIMITS.ackReasonBytes;

/** What `run` calls for each message. */
export type Handler<T> = (delivery: Delivery<T>) => unknown;

/** What a loop works on. */
export interface HandlerLoopOptions<T> {
  readonly handler: Handler<T>;
  /** Handlers that run at once. */
  readonly concurrency: number;
  /** The next delivery, if there is one for a handler now. */
  readonly next: () => Held | undefined;
  /** A delivery as its handler sees it. */
  readonly present: (held: Held) => HeldDelivery<T>;
  /** A handler has ended, whatever became of its delivery. */
  readonly finished: (held: Held) => void;
  /** Told of decisions that a server refused. */
  readonly onSettleFailure: SettleFailureListener | undefined;
}

/** Runs a handler per delivery, at most `concurrency` at once, and settles each by what its handler does. */
export class HandlerLoop<T> {
  readonly #options: HandlerLoopOptions<T>;
  #running = 0;

  constructor(options: HandlerLoopOptions<T>) {
    this.#options = options;
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running;
  }

  /** Starts handlers for what there is. */
  wake(): void {
    const { concurrency, next } = this.#options;
    while (this.#running < concurrency) {
      const held = next();
      if (held === undefined) {
        return;
      }
      void this.#handle(held);
    }
  }

  async #handle(held: Held): Promise<void> {
    const { handler, present, finished, onSettleFailure } = this.#options;
    this.#running += 1;
    held.isHandled = true;
    const delivery = present(held);
    let decision: Promise<void> | undefined;
    try {
      await handler(delivery);
      decision = held.state === 'decided' ? undefined : delivery.done();
    } catch (error) {
      decision = held.state === 'decided' ? undefined : giveUp(delivery, error);
    }
    decision?.catch((error: unknown) => {
      onSettleFailure?.(error as HermesError, delivery.id);
    });
    this.#running -= 1;
    finished(held);
  }
}

function giveUp<T>(delivery: Delivery<T>, error: unknown): Promise<void> {
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
