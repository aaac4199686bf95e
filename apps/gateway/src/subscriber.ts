import { randomBytes } from 'node:crypto';
import { type Environment, type Subscription } from '@hermes/client/cluster';
import {
  HermesError,
  LIMITS,
  type RawDelivery,
  type RawSubscribeResponse,
  type SubscribeAccepted,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { createDeferred, type Deferred } from '@hermes/runtime';

const SUBSCRIPTION_ID_BYTES = 16;
/** Owners that have not accepted for so long are moving; the caller may try again. */
const ACCEPT_MS = 10_000;

/**
 * One subscriber's stream: renumbers the owners' batches and sends them on as they come. While the subscriber does
 * not read, nothing is taken from the owners; after 60 s of that it ends with SLOW_CONSUMER.
 */
export class Subscriber {
  readonly #stream: ResponseStream<RawSubscribeResponse>;
  readonly #environment: Environment;
  readonly #over: Deferred<void> = createDeferred();
  readonly #openedAtMs: number;
  #subscription: Subscription | undefined;
  #sequence = 0;
  #accepted = false;
  #blockedSinceMs: number | undefined;
  #wroteAtMs: number;

  constructor(stream: ResponseStream<RawSubscribeResponse>, environment: Environment) {
    this.#stream = stream;
    this.#environment = environment;
    this.#openedAtMs = environment.clock.monotonicMs();
    this.#wroteAtMs = this.#openedAtMs;
  }

  /** Sends what `subscription` delivers until the stream's end; throws what ends it. */
  async run(subscription: Subscription): Promise<void> {
    this.#subscription = subscription;
    const onAbort = (): void => {
      this.#over.resolve();
    };
    this.#stream.signal.addEventListener('abort', onAbort, { once: true });
    if (this.#stream.signal.aborted) {
      onAbort();
    }
    try {
      await this.#over.promise;
    } finally {
      this.#stream.signal.removeEventListener('abort', onAbort);
      subscription.close();
    }
  }

  /** Ends the stream with `error`. */
  end(error: HermesError): void {
    this.#over.reject(error);
  }

  accepted(terms: SubscribeAccepted): void {
    this.#accepted = true;
    const value = { ...terms, subscriptionId: randomBytes(SUBSCRIPTION_ID_BYTES), resumed: false };
    this.#write({ frame: { $case: 'accepted', value } });
  }

  deliveries(deliveries: RawDelivery[]): void {
    this.#sequence += 1;
    this.#write({ frame: { $case: 'batch', value: { sequence: this.#sequence, deliveries } } });
  }

  /** Tells that everything moves: the gateway stops. */
  drain(graceMs: number): void {
    if (this.#accepted) {
      const grace = { seconds: Math.floor(graceMs / 1000), nanos: (graceMs % 1000) * 1e6 };
      this.#write({ frame: { $case: 'draining', value: { partitions: [], grace } } });
    }
    this.end(new HermesError('DRAINING', 'the gateway is stopping'));
  }

  /** One of its deliveries is settled. */
  settled(receipt: Uint8Array): void {
    this.#subscription?.settled(receipt);
  }

  /** Called about once a second: heartbeats, and what takes too long. */
  look(nowMs: number): void {
    if (!this.#accepted) {
      if (nowMs - this.#openedAtMs > ACCEPT_MS) {
        this.end(new HermesError('PARTITION_MOVING', 'no owner has accepted the subscription in time'));
      }
    } else if (this.#blockedSinceMs !== undefined) {
      if (nowMs - this.#blockedSinceMs > LIMITS.slowConsumerMs) {
        this.end(new HermesError('SLOW_CONSUMER', `nothing was read for ${LIMITS.slowConsumerMs} ms`));
      }
    } else if (nowMs - this.#wroteAtMs >= LIMITS.heartbeatMs) {
      this.#write({ frame: { $case: 'heartbeat', value: {} } });
    }
  }

  #write(response: RawSubscribeResponse): void {
    this.#wroteAtMs = this.#environment.clock.monotonicMs();
    if (!this.#stream.write(response) && this.#blockedSinceMs === undefined && !this.#stream.signal.aborted) {
      this.#blockedSinceMs = this.#wroteAtMs;
      this.#subscription?.pause();
      this.#stream.drained().then(
        () => {
          this.#blockedSinceMs = undefined;
          this.#subscription?.resume();
        },
        () => undefined, // The call has ended, which `run` sees itself.
      );
    }
  }
}
