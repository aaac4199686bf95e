import { type Duration, durationFromMs, type HermesError, LIMITS, SubscribeResponse } from '@hermes/contracts';
import { Credit } from '@hermes/delivery';
import {
  type ControlResponse,
  type ResponseStream,
  SentBatches,
  SubscriptionConnection,
  type SubscriptionStream,
} from '@hermes/kit';
import { type Clock, type Timers } from '@hermes/runtime';

/** What a subscription has of one partition. */
export interface Attachment {
  /** The subscription's stream takes frames again, or does not. */
  writable(isWritable: boolean): void;
  /** Credit came back. */
  creditFreed(): void;
  /** The consumer is out of reach: nothing more for it, and what is in flight stays its own. */
  hold(): void;
  /** The consumer is back: what it got from a delivery number on is lost and comes again, then what is new. */
  resume(terms: { readonly lostFrom: number; readonly ackDeadlineMs: number }): void;
  /** The consumer wants nothing more: give back what is in flight. */
  release(): void;
  /** The consumer is lost: give back what is in flight, with strikes. */
  lose(): void;
  /** The consumer wants nothing more and keeps what is in flight. */
  retire(): void;
}

/** What a consumer may have in flight. */
export interface CreditTerms {
  readonly messages: number;
  readonly bytes: number;
}

export interface SubscriptionOptions {
  readonly id: number;
  /** By which its consumer can resume it, here or at the next owner; empty: it cannot. */
  readonly name: string;
  readonly consumer: string;
  readonly credit: CreditTerms;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Told once that it has ended. */
  readonly onEnded?: () => void;
}

/**
 * What one consumer gets from here: partitions that share its credit, and the stream on which their batches go out. It
 * outlives a broken stream for a while, in which the consumer may come back for it.
 */
export class Subscription {
  readonly id: number;
  readonly name: string;
  readonly consumer: string;
  /** Shared by its partitions. */
  readonly credit: Credit;
  readonly #options: SubscriptionOptions;
  readonly #attachments = new Map<number, Attachment>();
  readonly #connection: SubscriptionConnection<Buffer>;
  #sent: SentBatches;

  constructor(options: SubscriptionOptions) {
    const { id, name, consumer, credit, clock, timers } = options;
    this.id = id;
    this.name = name;
    this.consumer = consumer;
    this.#options = options;
    this.#sent = new SentBatches(credit.messages, 0);
    this.credit = new Credit(credit.messages, credit.bytes, () => {
      for (const attachment of this.#attachments.values()) {
        attachment.creditFreed();
      }
    });
    this.#connection = new SubscriptionConnection({
      ...{ clock, timers, encode, holdMs: HOLD_MS },
      events: {
        writable: (isWritable) => {
          this.#tell((attachment) => {
            attachment.writable(isWritable);
          });
        },
        mayHold: () => name !== '',
        held: () => {
          this.#tell((attachment) => {
            attachment.hold();
          });
        },
        lost: (reason) => {
          this.lose(reason);
        },
        gone: (reason) => {
          this.end(reason);
        },
      },
    });
  }

  /** Whether a batch may be sent now. */
  get isWritable(): boolean {
    return this.#connection.isWritable;
  }

  get partitions(): readonly number[] {
    return [...this.#attachments.keys()];
  }

  /** Number of the last batch that was sent. */
  get lastBatch(): number {
    return this.#sent.last;
  }

  attach(partition: number, attachment: Attachment): void {
    this.#attachments.set(partition, attachment);
    attachment.writable(this.isWritable);
  }

  /** It is sent on this call from now on; one that it was sent on before ends FENCED. Nothing goes out before it is started. */
  connect(stream: ResponseStream<Buffer>): SubscriptionStream<Buffer> {
    return this.#connection.connect(stream);
  }

  /**
   * The consumer is back, and has all batches up to `lastBatch`: of these partitions it gets the later ones again. Others
   * it does not want any more. `lastBatch` ≤ the last that was sent.
   */
  resume(
    lastBatch: number,
    { partitions, credit, ackDeadlineMs }: ResumeTerms & { readonly partitions: ReadonlySet<number> },
  ): void {
    const lost = this.#sent.after(lastBatch);
    this.#sent = new SentBatches(credit.messages, lastBatch);
    this.credit.configure(credit.messages, credit.bytes);
    for (const [partition, attachment] of this.#attachments) {
      if (partitions.has(partition)) {
        // What is not known to have arrived comes again.
        const lostFrom = lost === undefined ? 0 : (lost.get(partition) ?? Number.POSITIVE_INFINITY);
        attachment.resume({ lostFrom, ackDeadlineMs });
      } else {
        this.#attachments.delete(partition);
        attachment.release();
      }
    }
  }

  /** An owner before has sent batches up to this one; before anything is sent here. */
  continueAfter(lastBatch: number): void {
    this.#sent = new SentBatches(this.#options.credit.messages, lastBatch);
  }

  /** In which batch a partition's deliveries were sent, by growing numbers: 0 if that is not remembered. */
  batchesOf(partition: number): (deliveryNo: number) => number {
    const batches = this.#sent.of(partition);
    let later = 0;
    return (deliveryNo) => {
      while ((batches[later]?.number ?? Number.POSITIVE_INFINITY) <= deliveryNo) {
        later += 1;
      }
      return batches[later - 1]?.batch ?? 0;
    };
  }

  /** Numbers a batch of a partition. */
  nextBatch(partition: number, firstDeliveryNo: number): number {
    return this.#sent.add(partition, firstDeliveryNo);
  }

  /** Sends a frame; after it the subscription may not be writable. */
  send(frame: Buffer): void {
    this.#connection.send(frame);
  }

  /** A partition, which has given its credit back, is no longer served; one left without any ends with `error`. */
  leave(partition: number, attachment: Attachment, error: HermesError): void {
    if (this.#attachments.get(partition) !== attachment) {
      return;
    }
    this.#attachments.delete(partition);
    const last = this.#attachments.size === 0;
    this.#connection.tell({
      frame: { $case: 'draining', value: { partitions: last ? [] : [partition], grace: DRAIN_GRACE } },
    });
    if (last) {
      this.end(error);
    }
  }

  /** Ends it; what is in flight is given back. Idempotent. */
  end(error: Error): void {
    this.#finish(error, (attachment) => {
      attachment.release();
    });
  }

  /** Ends it, for its consumer is lost: what is in flight is given back with strikes. Idempotent. */
  lose(error: Error): void {
    this.#finish(error, (attachment) => {
      attachment.lose();
    });
  }

  /** Ends a pull: what it got stays in flight. Idempotent. */
  retire(error: Error): void {
    this.#finish(error, (attachment) => {
      attachment.retire();
    });
  }

  #finish(error: Error, leave: (attachment: Attachment) => void): void {
    if (this.#connection.end(error)) {
      this.#tell(leave);
      this.#attachments.clear();
      this.#options.onEnded?.();
    }
  }

  #tell(what: (attachment: Attachment) => void): void {
    for (const attachment of this.#attachments.values()) {
      what(attachment);
    }
  }
}

/** What a consumer that comes back asks for, which may be other than before. */
export interface ResumeTerms {
  readonly credit: CreditTerms;
  readonly ackDeadlineMs: number;
}

function encode(response: ControlResponse): Buffer {
  const bytes = SubscribeResponse.encode(response).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Longer than a consumer has: a gateway that stands between learns of the break before, and passes the rest on after. */
export const HOLD_MS = LIMITS.resumeMs + 500;
const DRAIN_GRACE: Duration = durationFromMs(LIMITS.drainGraceMs);
