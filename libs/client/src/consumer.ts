import {
  durationToMs,
  GroupMode,
  type HermesError,
  LIMITS,
  Outcome,
  type RawAckEntry,
  type RawDelivery,
} from '@hermes/contracts';
import { createDeferred, type Deferred, STOP_DEADLINE_DEFAULT_MS } from '@hermes/runtime';
import { AckQueue } from './ack-queue.js';
import { type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';
import { type Subscription } from './cluster/subscription.js';
import { type Codec } from './codec.js';
import { type BatchOptions, batchTerms } from './consume-options.js';
import { DeadlineKeeper } from './deadline-keeper.js';
import { DeliveryPool } from './delivery-pool.js';
import { type Delivery, type DeliveryOwner, Held, HeldDelivery, type SettleFailureListener } from './delivery.js';
import { type BatchHandler, type BatchTerms, type Handler, HandlerLoop } from './handler-loop.js';
import { within } from './within.js';

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
  /** The consumers that take messages. */
  readonly active: Set<Drainable>;
}

/** Something that stops in good order. */
export interface Drainable {
  drain(options: { readonly deadlineMs: number }): Promise<void>;
}

/** Share of what may be in flight that may wait, handled, to be acknowledged together. */
const GATHERING_SHARE = 1 / 4;
/** After its deadline a drain waits so long for the answers to what it gave back. */
const DRAIN_ANSWER_MS = 2_000;

/**
 * One member of a group. `run` settles by what the handler does; iterating leaves that to the caller. Everything held
 * is extended until it is settled. A broken subscription is opened again; what was held then comes again.
 */
export class Consumer<T> implements AsyncIterable<Delivery<T>>, DeliveryOwner, Drainable {
  readonly topic: string;
  readonly group: string;
  readonly name: string;
  readonly #options: ConsumerOptions;
  readonly #codec: Codec<T>;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #active: Set<Drainable>;
  readonly #acks: AckQueue;
  readonly #pool = new DeliveryPool();
  readonly #deadlines: DeadlineKeeper;
  readonly #over: Deferred<void> = createDeferred();
  #subscription: Subscription | undefined;
  #loop: HandlerLoop<T> | undefined;
  /** Tells whoever hands deliveries out that something has changed. */
  #wake: (() => void) | undefined;
  #onRest: (() => void) | undefined;
  #state: 'new' | 'running' | 'draining' | 'over' = 'new';
  #draining: Promise<void> | undefined;

  /** @internal Made by `Hermes.consumer`. */
  constructor(
    place: { readonly topic: string; readonly group: string },
    codec: Codec<T>,
    options: ConsumerOptions,
    { link, environment, active }: ConsumerDeps,
  ) {
    this.topic = place.topic;
    this.group = place.group;
    this.name = options.name;
    this.#options = options;
    this.#codec = codec;
    this.#link = link;
    this.#environment = environment;
    this.#active = active;
    this.#acks = new AckQueue(link, environment, { ...place, consumer: options.name });
    this.#deadlines = new DeadlineKeeper(environment, this.#pool, (held) =>
      this.settle(held, { receipt: held.raw.receipt, outcome: Outcome.EXTEND, reason: '' }),
    );
    // A failure reaches whoever runs or iterates; without either there is nobody to tell.
    this.#over.promise.catch(() => undefined);
  }

  /**
   * Calls `handler` for each message, at most `concurrency` at once. Its return is an ACK, its throw a NACK
   * (RetryLater: with that delay; DeadLetter: a dead letter). Resolves after `drain`; rejects when the subscription
   * ends for good.
   */
  run(handler: Handler<T>): Promise<void> {
    return this.#run(([delivery]) => delivery && handler(delivery), { size: 1, waitMs: 0 });
  }

  /**
   * The same with the messages that are there, at most `size` (100) in one call; the first one waits at most `waitMs` (0) for
   * others. What the handler has not settled itself is acknowledged when it returns, and fails when it throws. A batch of an
   * EXCLUSIVE group holds messages in their order; of its lanes the first that fails brings the later ones again.
   */
  async runBatches(handler: BatchHandler<T>, options: BatchOptions = {}): Promise<void> {
    await this.#run(handler, batchTerms(options));
  }

  async #run(handler: BatchHandler<T>, terms: BatchTerms): Promise<void> {
    const { concurrency, onSettleFailure } = this.#options;
    this.#subscribe();
    const loop = new HandlerLoop<T>({
      ...{ handler, terms, concurrency, onSettleFailure, timers: this.#environment.timers },
      next: (max) => this.#next(max),
      waiting: () => (this.#state === 'running' ? this.#pool.waiting : 0),
      present: (held) => new HeldDelivery(held, this, this.#codec),
      finished: (batch) => {
        batch.forEach((held) => {
          this.#pool.finished(held);
        });
        this.#turn();
      },
    });
    this.#loop = loop;
    this.#wake = (): void => {
      loop.wake();
    };
    await this.#over.promise;
  }

  /** Gives messages as they come; each must be settled by its own methods. Leaving the loop returns the rest. */
  async *[Symbol.asyncIterator](): AsyncIterator<Delivery<T>> {
    this.#subscribe();
    try {
      while (!this.#isOver) {
        const [held] = this.#next(1);
        if (held === undefined) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        } else {
          yield new HeldDelivery(held, this, this.#codec);
        }
      }
      await this.#over.promise;
    } finally {
      await this.drain({ deadlineMs: 0 });
    }
  }

  /**
   * Stops taking messages, lets what is handled be settled until the deadline (30 s), RETURNs the rest and waits for
   * the answers, at most 2 s longer. Idempotent.
   */
  drain({ deadlineMs = STOP_DEADLINE_DEFAULT_MS }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#draining ??= this.#drain(deadlineMs);
    return this.#draining;
  }

  /** @internal Called by deliveries. */
  settle(held: Held, entry: RawAckEntry, isAwaited = true): Promise<void> {
    if (entry.outcome === Outcome.EXTEND) {
      const extensionMs = (entry.deadline && durationToMs(entry.deadline)) ?? this.#deadlines.ackDeadlineMs;
      held.deadlineAtMs = this.#environment.clock.monotonicMs() + extensionMs;
      return this.#send(entry, true);
    }
    // In an EXCLUSIVE group both void what was delivered behind it.
    const failed = entry.outcome === Outcome.NACK || entry.outcome === Outcome.RETURN;
    this.#pool.decided(held, failed);
    return this.#send(entry, isAwaited, () => {
      this.#subscription?.settled(entry.receipt);
      if (failed) {
        this.#pool.unblock(held);
      }
      this.#turn();
    });
  }

  #send(entry: RawAckEntry, isAwaited: boolean, onAnswer?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#acks.settle(entry, isAwaited, (error) => {
        onAnswer?.();
        if (error === undefined) {
          resolve();
        } else {
          reject(error);
        }
      });
    });
  }

  get #isOver(): boolean {
    return this.#state === 'over';
  }

  #subscribe(): void {
    if (this.#state !== 'new') {
      throw new Error('a consumer runs, or is iterated, once');
    }
    this.#state = 'running';
    this.#active.add(this);
    const { topic, group, name: consumer } = this;
    const request = {
      topic,
      group,
      consumer,
      maxInFlightMessages: this.#options.maxInFlight,
      maxInFlightBytes: LIMITS.inFlightBytes.default,
    };
    this.#subscription = this.#link.subscribe(request, {
      accepted: ({ mode, ackDeadline }) => {
        this.#pool.mode = mode;
        // In other groups a settle lets the next message of its lane or key go.
        this.#acks.gatherMax = mode === GroupMode.SHARED ? this.#options.maxInFlight * GATHERING_SHARE : 0;
        this.#deadlines.start((ackDeadline && durationToMs(ackDeadline)) ?? LIMITS.ackDeadlineMs.default);
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

  #onDeliveries(deliveries: readonly RawDelivery[]): void {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + this.#deadlines.ackDeadlineMs;
    for (const delivery of deliveries) {
      this.#pool.add(new Held(delivery, deadlineAtMs));
    }
    this.#turn();
  }

  #next(max: number): readonly Held[] {
    return this.#state === 'running' ? this.#pool.next(max) : [];
  }

  /** Something came, was settled or is free again. */
  #turn(): void {
    this.#wake?.();
    if (this.#onRest !== undefined && this.#isAtRest) {
      this.#onRest();
    }
  }

  get #isAtRest(): boolean {
    return (this.#loop?.running ?? 0) === 0 && this.#pool.isAtRest;
  }

  async #drain(deadlineMs: number): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'over';
      this.#over.resolve();
    }
    if (this.#isOver) {
      return;
    }
    this.#state = 'draining';
    const { clock, timers } = this.#environment;
    const deadlineAtMs = clock.monotonicMs() + deadlineMs;
    this.#subscription?.pause();
    this.#returnAll(this.#pool.takeReady());
    await within(timers, deadlineMs, this.#atRest());
    this.#returnAll([...this.#pool]);
    const answersMs = Math.max(DRAIN_ANSWER_MS, deadlineAtMs - clock.monotonicMs());
    await within(timers, answersMs, this.#acks.settled());
    this.#end(undefined);
  }

  #atRest(): Promise<void> {
    return this.#isAtRest
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#onRest = resolve;
        });
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
    if (this.#isOver) {
      return;
    }
    this.#state = 'over';
    this.#active.delete(this);
    this.#deadlines.stop();
    this.#loop?.stop();
    this.#subscription?.close();
    this.#pool.lost();
    if (error === undefined) {
      this.#over.resolve();
    } else {
      this.#over.reject(error);
    }
    this.#turn();
  }
}
