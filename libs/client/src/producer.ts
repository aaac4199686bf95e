import { setMaxListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import { HermesError, partitionForKey } from '@hermes/contracts';
import { type CallLimits, type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';
import { PendingMessage, type Published, type PublishOutcome } from './cluster/pending-message.js';
import { type PublishQueue } from './cluster/publish-queue.js';
import { type Codec } from './codec.js';
import { encodeMessage, type MessageOptions } from './encode-message.js';

/** What may be said about a message, and when to give it up. */
export interface PublishOptions extends MessageOptions {
  /** Gives the publish up. If it was not sent yet it rejects with the signal's reason, else with OUTCOME_UNKNOWN. */
  readonly signal?: AbortSignal;
}

/** A stored message. */
export interface PublishReceipt {
  /** topic/partition/lane/offset */
  readonly id?: string;
  readonly scheduleId?: string;
  readonly durability: Published['durability'];
  /** True if this is the stored result of an earlier, identical publish. */
  readonly duplicate: boolean;
}

/** What a producer needs. */
export interface ProducerDeps {
  readonly link: Link;
  readonly environment: Environment;
  readonly timeoutMs: number;
  /** The producers that have something on its way. */
  readonly active: Set<Flushable>;
}

/** Something that may be waited for. */
export interface Flushable {
  /** Resolves once nothing of it is on its way. */
  flushed(): Promise<void>;
}

/**
 * Publishes to one topic. Calls that wait together share frames; each has exactly one outcome. Messages are numbered, or
 * have an `idempotencyKey`, so that a repeat is stored once: what was refused for now, or whose outcome is not known, is sent
 * again until the deadline. At most 1,000 messages of a partition have no outcome at a time, and 64 MiB of all; beyond that
 * `publish` waits. (Through a gateway, while no meta-server answers it, a new producer does not know the partitions, and its
 * messages have no number: OUTCOME_UNKNOWN is told at once.)
 */
export class Producer<T> implements Flushable {
  readonly topic: string;
  readonly #codec: Codec<T>;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #timeoutMs: number;
  readonly #active: Set<Flushable>;
  #pending = 0;
  #onIdle: (() => void) | undefined;

  /** @internal Made by `Hermes.producer`. */
  constructor(topic: string, codec: Codec<T>, { link, environment, timeoutMs, active }: ProducerDeps) {
    this.topic = topic;
    this.#codec = codec;
    this.#link = link;
    this.#environment = environment;
    this.#timeoutMs = timeoutMs;
    this.#active = active;
  }

  /** Publishes that have no outcome yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves once the message is as durable as the receipt says. Rejects with HermesError. */
  async publish(body: T, options: PublishOptions = {}): Promise<PublishReceipt> {
    const { signal } = options;
    signal?.throwIfAborted();
    const bytes = encodeMessage(this.#codec, body, options);
    const deadlineAtMs = this.#environment.clock.monotonicMs() + this.#timeoutMs;
    const limits: CallLimits = signal === undefined ? { deadlineAtMs } : { deadlineAtMs, signal };
    this.#begin();
    try {
      return receiptOf(await this.#publish(bytes, options, limits));
    } catch (error) {
      // The topic may have been deleted, and made again with fewer partitions.
      if (isOfPartition(error) && this.#link.forgetPartitions(this.topic)) {
        return receiptOf(await this.#publish(bytes, options, limits));
      }
      throw error;
    } finally {
      this.#end();
    }
  }

  /** Resolves once no publish waits for its outcome. */
  flushed(): Promise<void> {
    return this.#pending === 0
      ? Promise.resolve()
      : new Promise((resolve) => {
          const before = this.#onIdle;
          this.#onIdle = (): void => {
            this.#onIdle = undefined;
            before?.();
            resolve();
          };
        });
  }

  async #publish(bytes: Uint8Array, options: PublishOptions, limits: CallLimits): Promise<Published> {
    const { topic } = this;
    const { signal } = limits;
    const link = this.#link;
    const count = link.knownPartitions(topic) ?? (await orReason(signal, link.partitionsOf(topic, limits)));
    const queue = link.publisher.queue(topic, count === undefined ? undefined : this.#partition(options, count));
    if (!queue.budget.tryTake(bytes.length)) {
      await orReason(signal, queue.budget.take(bytes.length, limits, this.#environment));
    }
    return send(queue, { bytes, isKeyed: (options.idempotencyKey ?? '') !== '' }, limits);
  }

  #begin(): void {
    this.#pending += 1;
    if (this.#pending === 1) {
      this.#active.add(this);
    }
  }

  #end(): void {
    this.#pending -= 1;
    if (this.#pending === 0) {
      this.#active.delete(this);
      this.#onIdle?.();
    }
  }

  #partition({ key = '', idempotencyKey = '' }: PublishOptions, count: number): number {
    const text = key === '' ? idempotencyKey : key;
    return text === '' ? this.#link.publisher.nextPartition(this.topic, count) : partitionForKey(text, count);
  }
}

/** True if the topic has no such partition. */
function isOfPartition(error: unknown): boolean {
  return error instanceof HermesError && error.violations.some(({ field }) => field === 'partition');
}

/** Waiting that the signal cut short fails with the signal's reason. */
async function orReason<T>(signal: AbortSignal | undefined, waiting: Promise<T>): Promise<T> {
  try {
    return await waiting;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Queues the message, for which room was taken, and waits for its outcome. */
function send(
  queue: PublishQueue,
  { bytes, isKeyed }: { readonly bytes: Uint8Array; readonly isKeyed: boolean },
  { deadlineAtMs, signal }: CallLimits,
): Promise<Published> {
  return new Promise((resolve, reject) => {
    const settled = (outcome: PublishOutcome): void => {
      queue.budget.give(bytes.length);
      stopWatching?.();
      if (outcome instanceof HermesError) {
        reject(outcome.cause instanceof Cancelled ? outcome.cause.reason : outcome);
      } else {
        resolve(outcome);
      }
    };
    const message = new PendingMessage(bytes, deadlineAtMs, settled, { isKeyed });
    // While its room was granted the signal may have been aborted.
    const stopWatching = signal?.aborted === true ? undefined : signal && cancelWith(signal, message);
    if (signal?.aborted === true) {
      cancel(signal, message);
    } else {
      queue.push(message);
    }
  });
}

/** Marks what was given up before it was sent: the caller gets the reason of its own signal. */
class Cancelled extends Error {
  readonly reason: Error;

  constructor(reason: Error) {
    super('cancelled');
    this.reason = reason;
  }
}

/** Settles the message when the signal is aborted; gives the function that stops watching. */
function cancelWith(signal: AbortSignal, message: PendingMessage): () => void {
  const onAbort = (): void => {
    cancel(signal, message);
  };
  // One signal may stand for any number of publishes.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    signal.removeEventListener('abort', onAbort);
  };
}

function cancel(signal: AbortSignal, message: PendingMessage): void {
  const reason = signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
  const sent = message.state === 'sent' || message.isDoubtful;
  const text = sent ? 'given up after the message was sent' : 'given up before the message was sent';
  const cause = sent ? reason : new Cancelled(reason);
  message.settle(new HermesError('OUTCOME_UNKNOWN', text, { status: status.CANCELLED, cause }));
}

function receiptOf({ messageId, scheduleId, durability, duplicate }: Published): PublishReceipt {
  return {
    ...(messageId === undefined ? {} : { id: messageId }),
    ...(scheduleId === undefined ? {} : { scheduleId }),
    durability,
    duplicate,
  };
}
