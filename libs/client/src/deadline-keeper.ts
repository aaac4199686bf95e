import { HermesError, LIMITS } from '@hermes/contracts';
import { type CancelTimer } from '@hermes/runtime';
import { type Environment } from './cluster/environment.js';
import { type DeliveryPool } from './delivery-pool.js';
import { type Held } from './delivery.js';

/** Deadlines are prolonged when half of them has passed, looked at this often within one. */
const LOOKS_PER_DEADLINE = 6;

/** Prolongs the deadlines of everything that a consumer holds, with one timer. */
export class DeadlineKeeper {
  readonly #environment: Environment;
  readonly #pool: DeliveryPool;
  readonly #extend: (held: Held) => Promise<void>;
  #ackDeadlineMs: number = LIMITS.ackDeadlineMs.default;
  #cancelLook: CancelTimer | undefined;

  constructor(environment: Environment, pool: DeliveryPool, extend: (held: Held) => Promise<void>) {
    this.#environment = environment;
    this.#pool = pool;
    this.#extend = extend;
  }

  /** The subscription's deadline. */
  get ackDeadlineMs(): number {
    return this.#ackDeadlineMs;
  }

  /** Begins to prolong; the server has told the subscription's deadline. */
  start(ackDeadlineMs: number): void {
    this.#ackDeadlineMs = ackDeadlineMs;
    this.#cancelLook ??= this.#lookLater();
  }

  stop(): void {
    this.#cancelLook?.();
  }

  #lookLater(): CancelTimer {
    return this.#environment.timers.after(this.#ackDeadlineMs / LOOKS_PER_DEADLINE, () => {
      this.#look();
      this.#cancelLook = this.#lookLater();
    });
  }

  #look(): void {
    const dueMs = this.#environment.clock.monotonicMs() + this.#ackDeadlineMs / 2;
    for (const held of this.#pool) {
      if (held.deadlineAtMs <= dueMs) {
        this.#prolong(held);
      }
    }
  }

  #prolong(held: Held): void {
    this.#extend(held).catch((error: unknown) => {
      // Refused for good: it belongs to somebody else by now. Unanswered: the next look tries again.
      if (error instanceof HermesError && !error.retryable) {
        this.#pool.forget(held, error);
      } else {
        held.deadlineAtMs = this.#environment.clock.monotonicMs();
      }
    });
  }
}
