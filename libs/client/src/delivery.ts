import {
  type Duration,
  durationFromMs,
  formatMessageId,
  type HermesError,
  invalidField,
  LIMITS,
  Message,
  Outcome,
  type RawAckEntry,
  type RawDelivery,
} from '@hermes/contracts';
import { type Codec } from './codec.js';

/** Where a delivery's decisions go. */
export interface DeliveryOwner {
  readonly topic: string;
  /**
   * Sends the decision; resolves once it is durable, rejects with what refused it. One that nobody awaits may be sent
   * some milliseconds later, together with others.
   */
  settle(delivery: Held, entry: RawAckEntry, isAwaited?: boolean): Promise<void>;
}

/** One push of one message. Decide once: `ack`, `nack`, `return` or `deadLetter`; `extend` as often as needed. */
export interface Delivery<T> {
  /** topic/partition/lane/offset */
  readonly id: string;
  /** The decoded body; throws if the codec cannot read it. */
  readonly body: T;
  /** The message as published. */
  readonly message: Message;
  readonly partition: number;
  readonly lane: number;
  readonly offset: number;
  /** 1-based number of the attempt. */
  readonly attempt: number;
  /** True if it may have been delivered before. */
  readonly redelivered: boolean;
  /** EXCLUSIVE groups: grows with each owner and holder; store it, refuse lower ones. */
  readonly fencingToken: number;
  readonly publishedAt: Date;
  /** Aborts when the delivery is no longer this consumer's, or its consumer stops. */
  readonly signal: AbortSignal;
  /** Done. Resolves once that is durable. */
  ack(): Promise<void>;
  /** Failed: again after `delayMs`, or by the group's policy. */
  nack(options?: { delayMs?: number; reason?: string }): Promise<void>;
  /** Failed for good: a dead letter of the group now. */
  deadLetter(reason?: string): Promise<void>;
  /** Untried: again soon, as the same attempt. */
  return(): Promise<void>;
  /** Needs longer: this much from now, or the subscription's deadline anew. */
  extend(deadlineMs?: number): Promise<void>;
}

/** A delivery that this consumer holds. */
export class Held {
  readonly raw: RawDelivery;
  /** When the server will give it to another, if it is not extended. */
  deadlineAtMs: number;
  state: 'ready' | 'handed' | 'decided' | 'lost' = 'ready';
  /** Its place in the pool while it is held. */
  slot: number | undefined;
  /** True once a handler has it, whose end will be told. */
  isHandled = false;
  #abort: AbortController | undefined;
  #lostTo: Error | undefined;

  constructor(raw: RawDelivery, deadlineAtMs: number) {
    this.raw = raw;
    this.deadlineAtMs = deadlineAtMs;
  }

  /** Lanes are settled in order where the group is EXCLUSIVE. */
  get laneKey(): number {
    return this.raw.partition * 16 + this.raw.lane;
  }

  /** The message that it delivers. */
  get position(): string {
    return `${this.raw.partition}/${this.raw.lane}/${this.raw.offset}`;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#lostTo !== undefined) {
      this.#abort.abort(this.#lostTo);
    }
    return this.#abort.signal;
  }

  /** It is no longer ours. */
  lose(reason: Error): void {
    if (this.state !== 'decided') {
      this.state = 'lost';
    }
    this.#lostTo = reason;
    this.#abort?.abort(reason);
  }
}

/** A held delivery as its handler sees it. */
export class HeldDelivery<T> implements Delivery<T> {
  readonly #held: Held;
  readonly #owner: DeliveryOwner;
  readonly #codec: Codec<T>;
  #message: Message | undefined;
  #body: { readonly value: T } | undefined;

  constructor(held: Held, owner: DeliveryOwner, codec: Codec<T>) {
    this.#held = held;
    this.#owner = owner;
    this.#codec = codec;
  }

  get id(): string {
    return formatMessageId(this.#owner.topic, this.partition, this.lane, this.offset);
  }

  get message(): Message {
    this.#message ??= Message.decode(this.#held.raw.message);
    return this.#message;
  }

  get body(): T {
    this.#body ??= { value: this.#codec.decode(this.message.body) };
    return this.#body.value;
  }

  get partition(): number {
    return this.#held.raw.partition;
  }

  get lane(): number {
    return this.#held.raw.lane;
  }

  get offset(): number {
    return this.#held.raw.offset;
  }

  get attempt(): number {
    return this.#held.raw.attempt;
  }

  get redelivered(): boolean {
    return this.#held.raw.redelivered;
  }

  get fencingToken(): number {
    return this.#held.raw.fencingToken;
  }

  get publishedAt(): Date {
    return new Date(this.#held.raw.publishedAtMs);
  }

  get signal(): AbortSignal {
    return this.#held.signal;
  }

  ack(): Promise<void> {
    return this.#decide({ outcome: Outcome.ACK });
  }

  /** As `ack`, for whoever does not wait for it. */
  done(): Promise<void> {
    return this.#decide({ outcome: Outcome.ACK }, false);
  }

  async nack({ delayMs, reason }: { delayMs?: number; reason?: string } = {}): Promise<void> {
    await this.#decide({ outcome: Outcome.NACK, delay: durationOf('delayMs', delayMs), reason: reason ?? '' });
  }

  deadLetter(reason = ''): Promise<void> {
    return this.#decide({ outcome: Outcome.DEAD_LETTER, reason });
  }

  return(): Promise<void> {
    return this.#decide({ outcome: Outcome.RETURN });
  }

  async extend(deadlineMs?: number): Promise<void> {
    await this.#decide({ outcome: Outcome.EXTEND, deadline: durationOf('deadlineMs', deadlineMs) });
  }

  #decide(decision: Omit<RawAckEntry, 'receipt' | 'reason'> & { reason?: string }, isAwaited = true): Promise<void> {
    const { receipt } = this.#held.raw;
    return this.#owner.settle(this.#held, { reason: '', ...decision, receipt }, isAwaited);
  }
}

/** Refused here: bytes that no server reads would fail every decision that travels with it. */
function durationOf(field: string, ms: number | undefined): Duration | undefined {
  if (ms === undefined) {
    return undefined;
  }
  if (!(ms >= 0 && ms <= LIMITS.nackDelayMs)) {
    throw invalidField(field, `0 to ${LIMITS.nackDelayMs} ms`);
  }
  return durationFromMs(ms);
}

/** Told of decisions that a server refused; the message is then delivered again, or is already settled. */
export type SettleFailureListener = (error: HermesError, messageId: string) => void;
