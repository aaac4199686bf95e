import { randomBytes } from 'node:crypto';
import {
  type ClusterSubscription,
  type Environment,
  type SubscriptionEvents,
  type SubscriptionRequest,
} from '@hermes/client/cluster';
import {
  durationFromMs,
  HermesError,
  invalidField,
  LIMITS,
  Outcome,
  type RawAckEntry,
  type RawSubscribeResponse,
  type SubscribeAccepted,
} from '@hermes/contracts';
import { type ControlResponse, type ResponseStream, SentBatches, SubscriptionConnection } from '@hermes/kit';
import { type CancelTimer } from '@hermes/runtime';

/** So many that nobody guesses one. */
const TOKEN_BYTES = 16;
/** Owners that have not accepted for so long are moving; the caller may try again. */
const ACCEPT_MS = 10_000;

export interface SubscriberOptions {
  readonly request: SubscriptionRequest;
  /** Subscribes at the owners. */
  readonly subscribe: (events: SubscriptionEvents) => ClusterSubscription;
  /** Settles entries at the owners. */
  readonly settle: (entries: readonly RawAckEntry[]) => Promise<unknown>;
  readonly environment: Environment;
  /** Told once that it has ended. */
  readonly onEnded: () => void;
}

/**
 * One consumer's subscription: renumbers the owners' batches and sends them on as they come. While the consumer does not
 * read nothing is taken from the owners. Nothing is kept here: when the consumer's stream breaks, the owners keep what is
 * in flight, and send again what it tells to have missed.
 */
export class Subscriber {
  readonly #token = randomBytes(TOKEN_BYTES);
  readonly #options: SubscriberOptions;
  readonly #subscription: ClusterSubscription | undefined;
  readonly #connection: SubscriptionConnection<RawSubscribeResponse>;
  #sent: SentBatches;
  #terms: SubscribeAccepted | undefined;
  readonly #cancelPatience: CancelTimer;

  constructor(options: SubscriberOptions) {
    const { request, subscribe, environment } = options;
    this.#options = options;
    this.#sent = new SentBatches(request.maxInFlightMessages, 0);
    const { clock, timers } = environment;
    this.#connection = new SubscriptionConnection({
      ...{ clock, timers, encode, holdMs: LIMITS.resumeMs },
      events: {
        writable: (isWritable) => {
          if (isWritable) {
            this.#subscription?.resume();
          } else {
            this.#subscription?.pause();
          }
        },
        mayHold: () => this.#subscription?.inFlight.isEmpty === false,
        held: () => {
          this.#subscription?.hold();
        },
        lost: (reason) => {
          this.end(reason);
        },
        gone: (reason) => {
          this.end(reason);
        },
      },
    });
    this.#cancelPatience = timers.after(ACCEPT_MS, () => {
      this.end(new HermesError('PARTITION_MOVING', 'no owner has accepted the subscription in time'));
    });
    this.#subscription = subscribe({
      accepted: (terms) => {
        this.#terms = terms;
        this.#cancelPatience();
        this.#start(false);
      },
      deliveries: (deliveries, { stream, batch }) => {
        const sequence = this.#sent.add(stream, batch);
        this.#connection.send({ frame: { $case: 'batch', value: { sequence, deliveries } } });
      },
      // What was lost comes again, marked as redelivered.
      lost: () => undefined,
      ended: (error) => {
        this.end(error);
      },
    });
  }

  /** Whether its consumer is there. */
  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** Whether this is what a consumer got to resume it by. */
  isNamed(subscriptionId: Uint8Array): boolean {
    return this.#terms !== undefined && this.#token.equals(subscriptionId);
  }

  /** Sends what comes on this stream until its end; throws what ends it. */
  run(stream: ResponseStream<RawSubscribeResponse>): Promise<never> {
    const connected = this.#connection.connect(stream);
    this.#start(false);
    return connected.over;
  }

  /**
   * The consumer is back, with new terms, and has all batches up to `lastBatch`: sends on this stream what came later,
   * and goes on. INVALID_FIELD if so many were never sent.
   */
  resume(
    stream: ResponseStream<RawSubscribeResponse>,
    lastBatch: number,
    request: SubscriptionRequest,
  ): Promise<never> {
    if (lastBatch > this.#sent.last) {
      throw invalidField('resume.last_batch', `at most ${this.#sent.last}: no later batch was sent`);
    }
    const connected = this.#connection.connect(stream);
    const missed = this.#sent.after(lastBatch);
    this.#sent = new SentBatches(request.maxInFlightMessages, lastBatch);
    this.#start(true);
    this.#subscription?.reopen(request, missed);
    return connected.over;
  }

  /** Ends it, and its stream with `error`. Idempotent. */
  end(error: Error): void {
    if (this.#connection.end(error)) {
      this.#cancelPatience();
      this.#subscription?.close();
      this.#options.onEnded();
    }
  }

  /**
   * Tells that everything moves, for the gateway stops, and gives back what is in flight: no consumer is lost. Ends then.
   */
  async drain(graceMs: number): Promise<void> {
    if (this.#terms !== undefined) {
      this.#connection.tell({
        frame: { $case: 'draining', value: { partitions: [], grace: durationFromMs(graceMs) } },
      });
    }
    const { receipts = [] } = this.#subscription?.inFlight ?? {};
    if (receipts.length > 0) {
      this.#subscription?.hold();
      const entries = receipts.map((receipt) => ({ receipt, outcome: Outcome.RETURN, reason: '' }));
      // What is refused is in flight no more, and what nobody answers is given back later.
      await this.#options.settle(entries).catch(() => undefined);
    }
    this.end(new HermesError('DRAINING', 'the gateway is stopping'));
  }

  /** One of its deliveries is settled. */
  settled(receipt: Uint8Array): void {
    this.#subscription?.settled(receipt);
  }

  /** Says what was accepted, once it is. */
  #start(resumed: boolean): void {
    if (this.#terms !== undefined) {
      const value = { ...this.#terms, subscriptionId: this.#token, resumed };
      this.#connection.start({ frame: { $case: 'accepted', value } });
    }
  }
}

function encode(response: ControlResponse): RawSubscribeResponse {
  return response;
}
