import { status } from '@grpc/grpc-js';
import { durationFromMs, HermesError, LIMITS, Message, partitionForKey, timestampFromMs } from '@hermes/contracts';
import { type CallLimits, type Environment } from './cluster/environment.js';
import { type Link } from './cluster/link.js';
import { PendingMessage, type Published, type PublishOutcome } from './cluster/pending-message.js';
import { type Codec } from './codec.js';

/** What may be said about a message. */
export interface PublishOptions {
  /** Ordering and partitioning key, at most 255 bytes. */
  readonly key?: string;
  /** Business key, at most 128 bytes. */
  readonly refKey?: string;
  /** At most 64 of together 16 KiB; no name may begin with `hermes-`. */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly priority?: number;
  /** The codec's if unset. */
  readonly contentType?: string;
  readonly delayMs?: number;
  readonly deliverAt?: Date;
  readonly ttlMs?: number;
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
}

/**
 * Publishes to one topic. Calls that wait together share frames; each has exactly one outcome. Refusals that are
 * certain are retried until the deadline, unknown outcomes never. When too much is on its way, `publish` waits.
 */
export class Producer<T> {
  readonly topic: string;
  readonly #codec: Codec<T>;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #timeoutMs: number;
  #pending = 0;
  #onIdle: (() => void) | undefined;

  constructor(topic: string, codec: Codec<T>, { link, environment, timeoutMs }: ProducerDeps) {
    this.topic = topic;
    this.#codec = codec;
    this.#link = link;
    this.#environment = environment;
    this.#timeoutMs = timeoutMs;
  }

  /** Publishes that have no outcome yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Resolves once the message is as durable as the receipt says. Rejects with HermesError. */
  async publish(body: T, options: PublishOptions = {}): Promise<PublishReceipt> {
    const { signal } = options;
    signal?.throwIfAborted();
    const bytes = this.#encode(body, options);
    const deadlineAtMs = this.#environment.clock.monotonicMs() + this.#timeoutMs;
    const limits: CallLimits = signal === undefined ? { deadlineAtMs } : { deadlineAtMs, signal };
    this.#pending += 1;
    try {
      const { router, publisher } = this.#link;
      const count = router.partitionsOf(this.topic) ?? (await this.#link.partitionsOf(this.topic, limits));
      const queue = publisher.queue(this.topic, count === undefined ? undefined : this.#partition(options.key, count));
      if (!queue.budget.tryTake(bytes.length)) {
        await queue.budget.take(bytes.length, limits, this.#environment);
      }
      return await new Promise((resolve, reject) => {
        const message = new PendingMessage(bytes, deadlineAtMs, (outcome) => {
          queue.budget.give(bytes.length);
          stopWatching?.();
          if (outcome instanceof HermesError) {
            reject(outcome.cause instanceof Cancelled ? outcome.cause.reason : outcome);
          } else {
            resolve(receiptOf(outcome));
          }
        });
        const stopWatching = signal && cancelWith(signal, message);
        queue.push(message);
      });
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) {
        this.#onIdle?.();
      }
    }
  }

  /** Resolves once every publish that was called so far has its outcome. */
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

  #partition(key: string | undefined, count: number): number {
    return key === undefined || key === ''
      ? this.#link.publisher.nextPartition(this.topic, count)
      : partitionForKey(key, count);
  }

  #encode(body: T, options: PublishOptions): Uint8Array {
    const encoded = this.#codec.encode(body);
    if (encoded.length > LIMITS.bodyBytes.max) {
      throw new HermesError('MESSAGE_TOO_LARGE', `body: ${encoded.length} bytes, at most ${LIMITS.bodyBytes.max}`, {
        details: { limit: String(LIMITS.bodyBytes.max), size: String(encoded.length) },
      });
    }
    const { key, refKey, attributes, priority, contentType, ttlMs } = options;
    return Message.encode({
      body: Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength),
      key: key ?? '',
      refKey: refKey ?? '',
      attributes: attributes === undefined ? NO_ATTRIBUTES : new Map(Object.entries(attributes)),
      priority: priority ?? 0,
      contentType: contentType ?? this.#codec.contentType,
      schedule: scheduleOf(options),
      ttl: ttlMs === undefined ? undefined : durationFromMs(ttlMs),
      idempotencyKey: '',
    }).finish();
  }
}

const NO_ATTRIBUTES = new Map<string, string>();

function scheduleOf({ deliverAt, delayMs }: PublishOptions): Message['schedule'] {
  if (deliverAt !== undefined) {
    return { $case: 'deliverAt', value: timestampFromMs(deliverAt.getTime()) };
  }
  return delayMs === undefined ? undefined : { $case: 'delay', value: durationFromMs(delayMs) };
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
    const reason = signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
    const sent = message.state === 'sent';
    const text = sent ? 'given up after the message was sent' : 'given up before the message was sent';
    const cause = sent ? reason : new Cancelled(reason);
    message.settle(new HermesError('OUTCOME_UNKNOWN', text, { status: status.CANCELLED, cause }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    signal.removeEventListener('abort', onAbort);
  };
}

function receiptOf(outcome: Exclude<PublishOutcome, HermesError>): PublishReceipt {
  const { messageId, scheduleId, durability, duplicate } = outcome;
  return {
    ...(messageId === undefined ? {} : { id: messageId }),
    ...(scheduleId === undefined ? {} : { scheduleId }),
    durability,
    duplicate,
  };
}
