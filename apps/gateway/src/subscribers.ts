import { type Cluster, type Environment, type Subscription } from '@hermes/client/cluster';
import {
  HermesError,
  LIMITS,
  Outcome,
  type AckResult,
  type RawAcknowledgeRequest,
  type RawSubscribeResponse,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { type CancelTimer } from '@hermes/runtime';
import { stepLimitsOf } from './call-limits.js';
import { Subscriber } from './subscriber.js';
import { ackDeadlineMsOf, validateSubscribe } from './validate.js';

const LOOK_MS = 1_000;

/** All open subscriptions of this gateway: one per consumer, the later one wins. One timer serves all. */
export class Subscribers {
  readonly #cluster: Cluster;
  readonly #environment: Environment;
  readonly #open = new Map<string, Subscriber>();
  #cancelTimer: CancelTimer | undefined;
  #draining = false;

  constructor(cluster: Cluster, environment: Environment) {
    this.#cluster = cluster;
    this.#environment = environment;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Serves one Subscribe call. */
  async serve(request: SubscribeRequest, stream: ResponseStream<RawSubscribeResponse>): Promise<void> {
    validateSubscribe(request);
    this.#refuseWhileDraining();
    const limits = stepLimitsOf(stream, this.#environment, LIMITS.clientDeadlineMs);
    await this.#cluster.partitionsOf(request.topic, limits);
    this.#refuseWhileDraining();
    if (stream.signal.aborted) {
      return; // Nobody is there any more, and whoever has the name keeps it.
    }
    const name = nameOf(request);
    const subscriber = new Subscriber(stream, this.#environment);
    this.#open.get(name)?.end(new HermesError('FENCED', `another consumer took the name ${request.consumer}`));
    this.#open.set(name, subscriber);
    this.#lookSoon();
    try {
      await subscriber.run(this.#subscribe(request, subscriber));
    } finally {
      if (this.#open.get(name) === subscriber) {
        this.#open.delete(name);
      }
    }
  }

  #refuseWhileDraining(): void {
    if (this.#draining) {
      throw new HermesError('DRAINING', 'the gateway is stopping');
    }
  }

  #subscribe(request: SubscribeRequest, subscriber: Subscriber): Subscription {
    const { topic, group, consumer, maxInFlightMessages, maxInFlightBytes } = request;
    const ackDeadlineMs = ackDeadlineMsOf(request.ackDeadline);
    const terms = {
      topic,
      group,
      consumer,
      maxInFlightMessages: maxInFlightMessages ?? LIMITS.inFlightMessages.default,
      maxInFlightBytes: maxInFlightBytes ?? LIMITS.inFlightBytes.default,
      ...(ackDeadlineMs === undefined ? {} : { ackDeadlineMs }),
    };
    return this.#cluster.subscribe(terms, {
      accepted: (accepted) => {
        subscriber.accepted(accepted);
      },
      deliveries: (deliveries) => {
        subscriber.deliveries(deliveries);
      },
      lost: () => undefined, // They come again, marked as redelivered.
      ended: (error) => {
        subscriber.end(error);
      },
    });
  }

  /** Takes note of what was settled, so that a partition which is to be given back is known to be free. */
  settled(request: RawAcknowledgeRequest, results: readonly AckResult[]): void {
    const subscriber = this.#open.get(nameOf(request));
    request.entries.forEach(({ outcome, receipt }, at) => {
      if (outcome !== Outcome.EXTEND && results[at]?.error === undefined) {
        subscriber?.settled(receipt);
      }
    });
  }

  /** Ends all with DRAINING and takes no new ones. */
  drain(): void {
    this.#draining = true;
    this.#cancelTimer?.();
    for (const subscriber of [...this.#open.values()]) {
      subscriber.drain(LIMITS.drainGraceMs);
    }
  }

  #lookSoon(): void {
    this.#cancelTimer ??= this.#environment.timers.after(LOOK_MS, () => {
      this.#cancelTimer = undefined;
      const nowMs = this.#environment.clock.monotonicMs();
      for (const subscriber of [...this.#open.values()]) {
        subscriber.look(nowMs);
      }
      if (this.#open.size > 0 && !this.#draining) {
        this.#lookSoon();
      }
    });
  }
}

/** Names hold no slash. */
function nameOf({ topic, group, consumer }: { topic: string; group: string; consumer: string }): string {
  return `${topic}/${group}/${consumer}`;
}
