import {
  durationToMs,
  HermesError,
  LIMITS,
  Outcome,
  type RawAckEntry,
  type RawDelivery,
  type SubscribeAccepted,
} from '@hermes/contracts';
import { type CancelTimer, createDeferred, type Deferred, sleep, STOP_DEADLINE_DEFAULT_MS } from '@hermes/runtime';
import { AckQueue } from './ack-queue.js';
import { type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';
import { type Subscription } from './cluster/subscription.js';
import { type Codec } from './codec.js';
import { DeliveryPool } from './delivery-pool.js';
import { type Delivery, type DeliveryOwner, Held, HeldDelivery, type SettleFailureListener } from './delivery.js';
import { RetryLater } from './retry-later.js';

/** How a consumer works. */
export interface ConsumerOptions {
  /** Name within the group; the later of two equal names wins. */
  readonly name: string;
  /** Handlers that run at once. */
  readonly concurrency: number;
  /** Deliveries that may be held at once, 1 to 10,000. */
  readonly maxInFlight: number;
  /** Told of decisions that a server refused. */
  readonly onSettleFailure?: SettleFailureListener;
}

/** What a consumer needs. */
export interface ConsumerDeps {
  readonly link: Link;
  readonly environment: Environment;
}

/** What `run` calls for each message. */
export type Handler<T> = (delivery: Delivery<T>) => unknown;

/** Deadlines are prolonged when half of them has passed, looked at this often within one. */
const LOOKS_PER_DEADLINE = 6;
const REASON_BYTES_MAX = LIMITS.ackReasonBytes;

/**
 * One member of a group. `run` settles by what the handler does; iterating leaves that to the caller. Everything held
 * is extended until it is settled. A broken subscription is opened again; what was held then comes again.
 */
export class Consumer<T> implements AsyncIterable<Delivery<T>>, DeliveryOwner {
  readonly topic: string;
  readonly group: string;
  readonly name: string;
  readonly #options: ConsumerOptions;
  readonly #codec: Codec<T>;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #acks: AckQueue;
  readonly #pool = new DeliveryPool();
  readonly #over: Deferred<void> = createDeferred();
  #subscription: Subscription | undefined;
  #ackDeadlineMs: number = LIMITS.ackDeadlineMs.default;
  #wake: (() => void) | undefined;
  #running = 0;
  #onRest: (() => void) | undefined;
  #cancelLook: CancelTimer | undefined;
  #state: 'new' | 'running' | 'draining' | 'over' = 'new';
  #draining: Promise<void> | undefined;

  constructor(
    place: { readonly topic: string; readonly group: string },
    codec: Codec<T>,
    options: ConsumerOptions,
    { link, environment }: ConsumerDeps,
  ) {
    this.topic = place.topic;
    this.group = place.group;
    this.name = options.name;
    this.#options = options;
    this.#codec = codec;
    this.#link = link;
    this.#environment = environment;
    this.#acks = new AckQueue(link, environment, { ...place, consumer: options.name });
    // A failure reaches whoever runs or iterates; without either there is nobody to tell.
    this.#over.promise.catch(() => undefined);
  }

  /**
   * Calls `handler` for each message, at most `concurrency` at once. Its return is an ACK, its throw a NACK
   * (RetryLater: with that delay). Resolves after `drain`; rejects when the subscription ends for good.
   */
  async run(handler: Handler<T>): Promise<void> {
    this.#subscribe();
    this.#wake = (): void => {
      for (let held = this.#nextToRun(); held !== undefined; held = this.#nextToRun()) {
        void this.#handle(held, handler);
      }
    };
    this.#wake();
    await this.#over.promise;
  }

  /** Gives messages as they come; each must be settled by its own methods. Leaving the loop drains. */
  async *[Symbol.asyncIterator](): AsyncIterator<Delivery<T>> {
    this.#subscribe();
    const over = this.#over.promise.then(() => true);
    try {
      for (;;) {
        const held = this.#state === 'running' ? this.#pool.next() : undefined;
        if (held !== undefined) {
          yield new HeldDelivery(held, this, this.#codec);
          continue;
        }
        const woken = new Promise<false>((resolve) => {
          this.#wake = (): void => {
            resolve(false);
          };
        });
        if (await Promise.race([over, woken])) {
          return;
        }
      }
    } finally {
      this.#wake = undefined;
      await this.drain();
    }
  }

  /** Stops taking messages, lets handlers finish until the deadline (30 s), and RETURNs the rest. Idempotent. */
  drain({ deadlineMs = STOP_DEADLINE_DEFAULT_MS }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#draining ??= this.#drain(deadlineMs);
    return this.#draining;
  }

  settle(held: Held, entry: RawAckEntry): Promise<void> {
    if (entry.outcome === Outcome.EXTEND) {
      return this.#extend(held, entry);
    }
    // In an EXCLUSIVE group both void what was delivered behind it.
    const failed = entry.outcome === Outcome.NACK || entry.outcome === Outcome.RETURN;
    this.#pool.decided(held, failed);
    return new Promise((resolve, reject) => {
      this.#acks.settle(entry, (error) => {
        this.#subscription?.settled([entry.receipt]);
        if (failed) {
          this.#pool.unblock(held);
        }
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
        this.#turn();
      });
    });
  }

  #subscribe(): void {
    if (this.#state !== 'new') {
      throw new Error('a consumer runs, or is iterated, once');
    }
    this.#state = 'running';
    const { topic, group, name: consumer } = this;
    const request = {
      topic,
      group,
      consumer,
      maxInFlightMessages: this.#options.maxInFlight,
      maxInFlightBytes: LIMITS.inFlightBytes.default,
    };
    this.#subscription = this.#link.subscribe(request, {
      accepted: (terms) => {
        this.#onAccepted(terms);
      },
      deliveries: (deliveries) => {
        this.#onDeliveries(deliveries);
      },
      lost: (partitions) => {
        this.#pool.lost(partitions);
      },
      ended: (error) => {
        this.#end(error);
      },
    });
  }

  #onAccepted({ ackDeadline, mode }: SubscribeAccepted): void {
    this.#ackDeadlineMs = (ackDeadline && durationToMs(ackDeadline)) ?? this.#ackDeadlineMs;
    this.#pool.mode = mode;
    this.#lookLater();
  }

  #onDeliveries(deliveries: readonly RawDelivery[]): void {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + this.#ackDeadlineMs;
    for (const delivery of deliveries) {
      this.#pool.add(new Held(delivery, deadlineAtMs));
    }
    this.#turn();
  }

  #turn(): void {
    if (this.#state === 'running') {
      this.#wake?.();
    }
  }

  #nextToRun(): Held | undefined {
    return this.#state === 'running' && this.#running < this.#options.concurrency ? this.#pool.next() : undefined;
  }

  async #handle(held: Held, handler: Handler<T>): Promise<void> {
    this.#running += 1;
    const delivery = new HeldDelivery(held, this, this.#codec);
    let decision: Promise<void>;
    try {
      await handler(delivery);
      decision = held.state === 'decided' ? Promise.resolve() : delivery.ack();
    } catch (error) {
      const delay = error instanceof RetryLater ? { delayMs: error.delayMs } : {};
      decision = held.state === 'decided' ? Promise.resolve() : delivery.nack({ ...delay, reason: reasonOf(error) });
    }
    decision.catch((error: unknown) => {
      this.#options.onSettleFailure?.(error as HermesError, delivery.id);
    });
    this.#running -= 1;
    if (this.#running === 0) {
      this.#onRest?.();
    }
    this.#turn();
  }

  #extend(held: Held, entry: RawAckEntry): Promise<void> {
    const extensionMs = (entry.deadline && durationToMs(entry.deadline)) ?? this.#ackDeadlineMs;
    held.deadlineAtMs = this.#environment.clock.monotonicMs() + extensionMs;
    return new Promise((resolve, reject) => {
      this.#acks.settle(entry, (error) => {
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
  }

  /** One timer prolongs the deadlines of everything that is held. */
  #lookLater(): void {
    this.#cancelLook ??= this.#environment.timers.after(this.#ackDeadlineMs / LOOKS_PER_DEADLINE, () => {
      this.#cancelLook = undefined;
      const dueMs = this.#environment.clock.monotonicMs() + this.#ackDeadlineMs / 2;
      for (const held of this.#pool) {
        if (held.deadlineAtMs <= dueMs) {
          this.#prolong(held);
        }
      }
      if (this.#state !== 'over') {
        this.#lookLater();
      }
    });
  }

  #prolong(held: Held): void {
    this.#extend(held, { receipt: held.raw.receipt, outcome: Outcome.EXTEND, reason: '' }).catch((error: unknown) => {
      // Refused for good: it belongs to somebody else by now. Unanswered: the next look tries again.
      if (error instanceof HermesError && !error.retryable) {
        this.#pool.forget(held, error);
      } else {
        held.deadlineAtMs = this.#environment.clock.monotonicMs();
      }
    });
  }

  async #drain(deadlineMs: number): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'over';
      this.#over.resolve();
    }
    if (this.#state === 'over') {
      return;
    }
    this.#state = 'draining';
    this.#returnAll(this.#pool.takeReady());
    await this.#handlersAtRest(deadlineMs);
    this.#returnAll([...this.#pool]);
    await this.#acks.settled();
    this.#end(undefined);
  }

  /** Waits for running handlers, at most until the deadline. */
  async #handlersAtRest(deadlineMs: number): Promise<void> {
    if (this.#running === 0) {
      return;
    }
    const done = new AbortController();
    const rest = new Promise<void>((resolve) => {
      this.#onRest = resolve;
    });
    await Promise.race([rest, sleep(this.#environment.timers, deadlineMs, done.signal)]);
    done.abort();
  }

  #returnAll(helds: readonly Held[]): void {
    for (const held of helds) {
      const entry = { receipt: held.raw.receipt, outcome: Outcome.RETURN, reason: '' };
      // A refusal means that it is no longer ours: there is nothing to give back.
      this.settle(held, entry).catch(() => undefined);
      held.lose(new Error('the consumer stops'));
    }
  }

  #end(error: HermesError | undefined): void {
    if (this.#state === 'over') {
      return;
    }
    this.#state = 'over';
    this.#cancelLook?.();
    this.#subscription?.close();
    this.#pool.lost();
    if (error === undefined) {
      this.#over.resolve();
    } else {
      this.#over.reject(error);
    }
  }
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const bytes = Buffer.from(text);
  return bytes.length <= REASON_BYTES_MAX ? text : bytes.subarray(0, REASON_BYTES_MAX - 4).toString('utf8');
}
