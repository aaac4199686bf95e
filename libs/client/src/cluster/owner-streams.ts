import {
  type Assignment,
  durationFromMs,
  type HermesError,
  LIMITS,
  type RawDelivery,
  type Resume,
  type SubscribeAccepted,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type Channels } from './channels.js';
import { type Claims } from './claims.js';
import { Coverage, type Source } from './coverage.js';
import { EndpointBackoff } from './endpoint-backoff.js';
import { type Environment } from './environment.js';
import { ClientClosed, isUntried } from './failure.js';
import { type Missing, MovedPartitions } from './moved-partitions.js';
import { ResumableStream } from './resumable-stream.js';
import { type Router } from './router.js';
import { type SilenceWatch } from './silence-watch.js';
import { type BatchOrigin, type SubscriptionRequest } from './subscription.js';
import { TimerSet } from './timer-set.js';

export const RETRY_BACKOFF = { initialMs: 50, maxMs: 2_000 };

/** What streams to the owners need. */
export interface OwnerStreamsDeps {
  readonly router: Router;
  readonly channels: Channels;
  readonly watch: SilenceWatch;
  readonly environment: Environment;
}

/** What they tell. */
export interface OwnerStreamsEvents {
  accepted(terms: SubscribeAccepted): void;
  deliveries(deliveries: RawDelivery[], from: BatchOrigin): void;
  /** These partitions have no stream any more; what came from them is delivered again. */
  lost(partitions: ReadonlySet<number>): void;
  /** A stream ended; `epochs` are the partitions that it still had, with their consumer epochs. True: open again. */
  ended(error: HermesError, epochs: ReadonlyMap<number, number>): boolean;
  /** No stream will be opened any more. */
  closed(error: HermesError): void;
}

/**
 * Keeps every claimed partition subscribed at its owner, wherever that is.
 *
 * The credit is shared out by partitions, at least one message each; a stream that is opened for moved partitions
 * gets exactly their share, so that open streams are left alone.
 */
export class OwnerStreams {
  readonly #deps: OwnerStreamsDeps;
  #request: SubscriptionRequest;
  readonly #claims: Claims;
  readonly #events: OwnerStreamsEvents;
  readonly #coverage = new Coverage();
  readonly #moved = new MovedPartitions();
  readonly #timers: TimerSet;
  readonly #backoff: EndpointBackoff;
  readonly #stopListening: () => void;
  #reconcileScheduled = false;
  /** Streams that were opened. */
  #opened = 0;
  #held = false;
  #cancelled = false;

  constructor(deps: OwnerStreamsDeps, request: SubscriptionRequest, claims: Claims, events: OwnerStreamsEvents) {
    this.#deps = deps;
    this.#request = request;
    this.#claims = claims;
    this.#events = events;
    const { timers, random } = deps.environment;
    this.#timers = new TimerSet(timers);
    this.#backoff = new EndpointBackoff(RETRY_BACKOFF, { random, timers: this.#timers }, () => {
      this.#reconcile();
    });
    this.#stopListening = deps.router.onChange((topics) => {
      if (topics.has(request.topic)) {
        this.#backoff.clear();
        this.reconcile();
      }
    });
  }

  /** True if none of these partitions is subscribed. */
  hasNone(partitions: Iterable<number>): boolean {
    return this.#coverage.hasNone(partitions);
  }

  pause(): void {
    this.#coverage.pause();
  }

  resume(): void {
    this.#coverage.resume();
  }

  /** The consumer is out of reach: nothing is taken and nothing opened until it is back. The owners keep what is in flight. */
  hold(): void {
    this.#held = true;
    this.#coverage.cancel();
  }

  /**
   * The consumer is back, with these terms. `missed`: by stream the first batch that it did not get; undefined if that
   * is not known: then all that is in flight comes again.
   */
  reopen(request: SubscriptionRequest, missed: ReadonlyMap<number, number> | undefined): void {
    this.#held = false;
    this.#request = request;
    const sources = this.#coverage.sources();
    const numbers = new Set([...sources].map(({ number }) => number));
    // What a stream that is no more had sent comes again with whatever is in flight.
    const known =
      missed !== undefined && [...missed.keys()].every((number) => numbers.has(number)) ? missed : undefined;
    for (const { number, stream } of sources) {
      stream.reopen(known === undefined ? 0 : (known.get(number) ?? Number.POSITIVE_INFINITY) - 1);
    }
    this.reconcile();
  }

  /** Ends all; no event follows. */
  cancel(): void {
    this.#cancelled = true;
    this.#stopListening();
    this.#timers.cancelAll();
    this.#coverage.cancel();
  }

  /** Opens what the claims and routes ask for, soon. */
  reconcile(): void {
    if (!this.#reconcileScheduled) {
      this.#reconcileScheduled = true;
      setImmediate(() => {
        this.#reconcileScheduled = false;
        this.#reconcile();
      });
    }
  }

  /** Drops what comes of these partitions from now on. Their streams stay until a newer holder fences them. */
  retire(partitions: Iterable<number>): void {
    const retired = [...partitions];
    this.#coverage.remove(retired);
    this.#moved.forget(retired);
  }

  /** Gives these partitions up where nobody would fence their streams, which go on with their other partitions. */
  cut(partitions: Iterable<number>): void {
    const lost = new Set(partitions);
    for (const source of this.#coverage.sourcesOf(lost)) {
      this.#tellLost(this.#coverage.remove([...source.epochs.keys()].filter((partition) => lost.has(partition))));
      if (source.epochs.size === 0) {
        source.stream.cancel();
        this.#coverage.forget(source);
      } else if (!this.#held) {
        source.stream.reopen();
      }
    }
    this.#tellLost(this.#moved.forget(lost));
    this.reconcile();
  }

  /** Opens what is missing: claimed partitions without a stream at their present owner. */
  #reconcile(): void {
    if (this.#cancelled || this.#held) {
      return;
    }
    if (this.#deps.channels.closed) {
      this.#events.closed(new ClientClosed());
      return;
    }
    const missing = this.#missing();
    for (const { partition } of missing.map(({ claim }) => claim)) {
      // What it has elsewhere is resumed here.
      const [source] = this.#coverage.sourcesOf([partition]);
      this.#moved.keep([partition], source?.stream.position);
    }
    for (const each of this.#moved.group(missing)) {
      this.#open(each);
    }
  }

  /** Claims without a stream at their present owner, which may be asked now. */
  #missing(): { readonly claim: Assignment; readonly endpoint: string }[] {
    return [...this.#claims.usable()].flatMap((claim) => {
      const endpoint = this.#missingAt(claim);
      return endpoint !== undefined && this.#backoff.mayTry(endpoint) ? [{ claim, endpoint }] : [];
    });
  }

  /** The owner at which a claimed partition must be subscribed; undefined if it is, or none is known. */
  #missingAt({ partition, endpoint: granted }: Assignment): string | undefined {
    const endpoint = this.#deps.router.endpointOf(this.#request.topic, partition) ?? (granted || undefined);
    return this.#coverage.endpointOf(partition) === endpoint ? undefined : endpoint;
  }

  #open({ endpoint, resume, claims }: Missing): void {
    const { channels, watch, environment } = this.#deps;
    const epochs = new Map(claims.map(({ partition, epoch }) => [partition, epoch]));
    const place = { channels, watch, environment, endpoint };
    this.#opened += 1;
    const source: Source = {
      number: this.#opened,
      epochs,
      stream: new ResumableStream(place, () => this.#subscribeRequest(epochs, resume), {
        accepted: (terms, before) => {
          this.#onAccepted(source, terms, before);
        },
        deliveries: (deliveries, batch) => {
          this.#onDeliveries(source, deliveries, batch);
        },
        draining: (partitions) => {
          this.#onNotServed(source, partitions, source.stream.position);
        },
        lost: (partitions) => {
          this.#tellLost(new Set(partitions.filter((partition) => epochs.has(partition))));
        },
        ended: (error) => {
          this.#onEnd(source, error);
        },
      }),
    };
    const taken = this.#coverage.add(source);
    this.#moved.forget(epochs.keys());
    if (resume === undefined) {
      this.#tellLost(taken);
    }
  }

  /** For partitions with these consumer epochs; undefined if there are none. */
  #subscribeRequest(epochs: ReadonlyMap<number, number>, resume: Resume | undefined): SubscribeRequest | undefined {
    if (epochs.size === 0) {
      return undefined;
    }
    const { topic, group, consumer, maxInFlightMessages, maxInFlightBytes, ackDeadlineMs } = this.#request;
    const share = epochs.size / Math.max(1, this.#claims.size);
    return {
      topic,
      group,
      consumer,
      claims: Array.from(epochs, ([partition, consumerEpoch]) => ({ partition, consumerEpoch })),
      maxInFlightMessages: Math.max(1, Math.floor(maxInFlightMessages * share)),
      maxInFlightBytes: Math.max(LIMITS.inFlightBytes.min, Math.floor(maxInFlightBytes * share)),
      ackDeadline: ackDeadlineMs === undefined ? undefined : durationFromMs(ackDeadlineMs),
      resume,
    };
  }

  /** An owner takes what it serves of the claims, be it less than it was asked for. */
  #onAccepted(source: Source, terms: SubscribeAccepted, before: Resume | undefined): void {
    this.#backoff.succeeded(source.stream.endpoint);
    this.#events.accepted(terms);
    const served = new Set(terms.partitions);
    this.#onNotServed(
      source,
      [...source.epochs.keys()].filter((partition) => !served.has(partition)),
      before,
    );
  }

  #onDeliveries({ number, epochs }: Source, deliveries: RawDelivery[], batch: number): void {
    const current = deliveries.filter(({ partition }) => epochs.has(partition));
    if (current.length > 0) {
      this.#events.deliveries(current, { stream: number, batch });
    }
  }

  /** The stream goes on without these partitions: they are subscribed anew, here or where they are now, to resume `position`. */
  #onNotServed(source: Source, partitions: readonly number[], position: Resume | undefined): void {
    const dropped = this.#coverage.remove(partitions.filter((partition) => source.epochs.has(partition)));
    if (dropped.size > 0) {
      this.#backoff.failed(source.stream.endpoint, undefined);
      this.#moved.keep(dropped, position);
      this.reconcile();
    }
  }

  #onEnd(source: Source, error: HermesError): void {
    const epochs = new Map(source.epochs);
    this.#coverage.forget(source);
    if (epochs.size === 0) {
      return;
    }
    for (const partition of epochs.keys()) {
      this.#deps.router.learn(this.#request.topic, partition, error);
    }
    if (isUntried(error)) {
      this.#moved.keep(epochs.keys(), source.stream.position);
    } else {
      this.#tellLost(new Set(epochs.keys()));
    }
    if (this.#events.ended(error, epochs)) {
      this.#backoff.failed(source.stream.endpoint, error);
      this.reconcile();
    }
  }

  #tellLost(partitions: ReadonlySet<number>): void {
    if (partitions.size > 0) {
      this.#events.lost(partitions);
    }
  }
}
