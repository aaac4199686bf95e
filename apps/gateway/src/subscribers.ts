import { type Cluster, type Environment, type SubscriptionRequest } from '@hermes/client/cluster';
import {
  HermesError,
  LIMITS,
  Outcome,
  type AckResult,
  type RawAckEntry,
  type RawAcknowledgeRequest,
  type RawSubscribeResponse,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type ResponseStream } from '@hermes/kit';
import { stepLimitsOf } from './call-limits.js';
import { Subscriber } from './subscriber.js';
import { ackDeadlineMsOf, validateSubscribe } from './validate.js';

/** A gateway that stops waits so long for the answers to what it gives back. */
const GIVE_BACK_MS = 2_000;

/**
 * All subscriptions of this gateway, those included that wait for their consumers to come back: one per consumer, the
 * later one wins.
 */
export class Subscribers {
  readonly #cluster: Cluster;
  readonly #environment: Environment;
  readonly #byName = new Map<string, Subscriber>();
  #draining = false;

  constructor(cluster: Cluster, environment: Environment) {
    this.#cluster = cluster;
    this.#environment = environment;
  }

  /** Subscriptions whose consumers are there. */
  get size(): number {
    return [...this.#byName.values()].filter(({ isConnected }) => isConnected).length;
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
    const known = this.#byName.get(name);
    const { resume } = request;
    if (resume !== undefined && known?.isNamed(resume.subscriptionId) === true) {
      await known.resume(stream, resume.lastBatch, termsOf(request));
    } else {
      known?.end(new HermesError('FENCED', `another consumer took the name ${request.consumer}`));
      await this.#open(name, termsOf(request)).run(stream);
    }
  }

  /** Takes note of what was settled, so that a partition which is to be given back is known to be free. */
  settled(request: RawAcknowledgeRequest, results: readonly AckResult[]): void {
    const subscriber = this.#byName.get(nameOf(request));
    request.entries.forEach(({ outcome, receipt }, at) => {
      if (outcome !== Outcome.EXTEND && results[at]?.error === undefined) {
        subscriber?.settled(receipt);
      }
    });
  }

  /** Ends all with DRAINING and takes no new ones. */
  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.all(Array.from(this.#byName.values(), (subscriber) => subscriber.drain(LIMITS.drainGraceMs)));
  }

  async #settle({ topic, group, consumer }: SubscriptionRequest, entries: readonly RawAckEntry[]): Promise<void> {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + GIVE_BACK_MS;
    for (let from = 0; from < entries.length; from += LIMITS.ackEntries) {
      const some = entries.slice(from, from + LIMITS.ackEntries);
      await this.#cluster.acknowledge({ topic, group, consumer, entries: some }, { deadlineAtMs });
    }
  }

  #refuseWhileDraining(): void {
    if (this.#draining) {
      throw new HermesError('DRAINING', 'the gateway is stopping');
    }
  }

  #open(name: string, request: SubscriptionRequest): Subscriber {
    const subscriber: Subscriber = new Subscriber({
      request,
      subscribe: (events) => this.#cluster.subscribe(request, events, true),
      settle: (entries) => this.#settle(request, entries),
      environment: this.#environment,
      onEnded: () => {
        if (this.#byName.get(name) === subscriber) {
          this.#byName.delete(name);
        }
      },
    });
    this.#byName.set(name, subscriber);
    return subscriber;
  }
}

function termsOf(request: SubscribeRequest): SubscriptionRequest {
  const { topic, group, consumer, maxInFlightMessages, maxInFlightBytes } = request;
  const ackDeadlineMs = ackDeadlineMsOf(request.ackDeadline);
  return {
    ...{ topic, group, consumer },
    maxInFlightMessages: maxInFlightMessages ?? LIMITS.inFlightMessages.default,
    maxInFlightBytes: maxInFlightBytes ?? LIMITS.inFlightBytes.default,
    ...(ackDeadlineMs === undefined ? {} : { ackDeadlineMs }),
  };
}

/** Names hold no slash. */
function nameOf({ topic, group, consumer }: { topic: string; group: string; consumer: string }): string {
  return `${topic}/${group}/${consumer}`;
}
