import {
  type Assignment,
  durationFromMs,
  GroupMode,
  type HermesError,
  LIMITS,
  type RawDelivery,
  type SubscribeAccepted,
  type SubscribeRequest,
} from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type ConsumerLeases, type Member } from './consumer-leases.js';
import { type Environment } from './environment.js';
import { failureOf } from './failure.js';
import { InFlight } from './in-flight.js';
import { OwnerStream, type SilenceWatch } from './owner-stream.js';
import { type Router } from './router.js';
import { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';

const RETRY_BACKOFF = { initialMs: 50, maxMs: 2_000 };
/** A fenced consumer whose lease is merely being renewed gets its new epoch within this; else another has its name. */
const FENCED_PATIENCE_MS = 2_000;

/** What a subscription to a whole cluster needs. */
export interface ClusterSubscriptionDeps {
  readonly router: Router;
  readonly channels: Channels;
  readonly leases: ConsumerLeases;
  readonly watch: SilenceWatch;
  readonly environment: Environment;
  /** The group's terms, asked for only when the lease grants no partition. */
  readonly terms: () => Promise<SubscribeAccepted>;
}

/** One stream and the partitions that count as delivered by it. */
interface Source {
  readonly stream: OwnerStream;
  readonly partitions: Set<number>;
}

/**
 * One consumer's subscription to every partition that its lease grants, over one stream or more per owner.
 *
 * The credit is shared out by partitions, at least one message each; a stream that is opened for moved partitions
 * gets exactly their share, so that open streams are left alone. A partition belongs to its newest stream: whatever
 * an older one still delivers of it is dropped.
 */
export class ClusterSubscription implements Subscription {
  readonly #deps: ClusterSubscriptionDeps;
  readonly #request: SubscriptionRequest;
  readonly #events: SubscriptionEvents;
  readonly #member: Member;
  readonly #claims = new Map<number, Assignment>();
  readonly #sources = new Map<number, Source>();
  /** Streams without partitions: they end FENCED once another takes over, and give no strike until then. */
  readonly #retired = new Set<Source>();
  readonly #fencedEpochs = new Map<number, number>();
  readonly #inFlight = new InFlight();
  readonly #backoffs = new Map<string, { backoff: Backoff; notBeforeMs: number }>();
  readonly #timers = new Set<CancelTimer>();
  readonly #stopListening: () => void;
  #terms: SubscribeAccepted | undefined;
  #askingTerms = false;
  #reconcileScheduled = false;
  #paused = false;
  #over = false;

  constructor(deps: ClusterSubscriptionDeps, request: SubscriptionRequest, events: SubscriptionEvents) {
    this.#deps = deps;
    this.#request = request;
    this.#events = events;
    this.#stopListening = deps.router.onChange((topics) => {
      if (topics.has(request.topic)) {
        this.#backoffs.clear();
        this.#reconcileSoon();
      }
    });
    const { topic, group, consumer } = request;
    this.#member = deps.leases.join(
      { topic, group, consumer },
      {
        granted: (assignments) => {
          this.#onGrant(assignments);
        },
        revoked: (assignment, graceMs) => {
          this.#onRevoke(assignment, graceMs);
        },
        refused: (error) => {
          this.#end(error);
        },
      },
    );
  }

  pause(): void {
    this.#paused = true;
    for (const { stream } of this.#allSources()) {
      stream.pause();
    }
  }

  resume(): void {
    this.#paused = false;
    for (const { stream } of this.#allSources()) {
      stream.resume();
    }
  }

  settled(receipts: Iterable<Uint8Array>): void {
    this.#inFlight.settled(receipts);
  }

  close(): void {
    if (this.#over) {
      return;
    }
    this.#over = true;
    this.#stopListening();
    this.#timers.forEach((cancel) => {
      cancel();
    });
    for (const { stream } of this.#allSources()) {
      stream.cancel();
    }
    this.#member.leave();
  }

  #allSources(): Set<Source> {
    return new Set([...this.#sources.values(), ...this.#retired]);
  }

  #onGrant(assignments: readonly Assignment[]): void {
    const granted = new Map(assignments.map((assignment) => [assignment.partition, assignment]));
    for (const partition of [...this.#claims.keys()]) {
      if (!granted.has(partition)) {
        this.#claims.delete(partition);
        this.#uncover(partition);
      }
    }
    for (const [partition, assignment] of granted) {
      this.#claims.set(partition, assignment);
    }
    if (granted.size === 0) {
      this.#askTerms();
    }
    this.#reconcileSoon();
  }

  /** Takes nothing more of the partition, lets what is in flight be settled, then gives it back. */
  #onRevoke(assignment: Assignment, graceMs: number): void {
    const { partition, epoch } = assignment;
    if (this.#claims.get(partition)?.epoch !== epoch) {
      this.#member.released(assignment);
      return;
    }
    this.#claims.delete(partition);
    this.#uncover(partition);
    const release = (): void => {
      cancel();
      this.#timers.delete(cancel);
      this.#member.released(assignment);
    };
    const cancel = this.#deps.environment.timers.after(graceMs, release);
    this.#timers.add(cancel);
    this.#inFlight.whenNone(partition, release);
  }

  #uncover(partition: number): void {
    const source = this.#sources.get(partition);
    this.#sources.delete(partition);
    source?.partitions.delete(partition);
    if (source?.partitions.size === 0) {
      this.#retired.add(source);
    }
  }

  #askTerms(): void {
    if (this.#terms !== undefined || this.#askingTerms) {
      return;
    }
    this.#askingTerms = true;
    this.#deps.terms().then(
      (terms) => {
        this.#accept(terms);
      },
      (error: unknown) => {
        this.#askingTerms = false;
        if (failureOf(error as HermesError) === 'final') {
          this.#end(error as HermesError);
        } else if (!this.#over && this.#claims.size === 0) {
          this.#later(RETRY_BACKOFF.maxMs, () => {
            this.#askTerms();
          });
        }
      },
    );
  }

  #accept(terms: SubscribeAccepted): void {
    if (this.#terms === undefined && !this.#over) {
      this.#terms = terms;
      this.#events.accepted({ ...terms, partitions: [...this.#claims.keys()].sort((a, b) => a - b) });
    }
  }

  #reconcileSoon(): void {
    if (!this.#reconcileScheduled && !this.#over) {
      this.#reconcileScheduled = true;
      setImmediate(() => {
        this.#reconcileScheduled = false;
        this.#reconcile();
      });
    }
  }

  /** Opens what is missing: claimed partitions without a stream at their present owner. */
  #reconcile(): void {
    if (this.#over) {
      return;
    }
    const nowMs = this.#deps.environment.clock.monotonicMs();
    const missing = new Map<string, Assignment[]>();
    for (const claim of this.#claims.values()) {
      const endpoint = this.#missingAt(claim);
      const notBeforeMs = endpoint === undefined ? Infinity : (this.#backoffs.get(endpoint)?.notBeforeMs ?? 0);
      if (endpoint !== undefined && notBeforeMs <= nowMs) {
        missing.set(endpoint, [...(missing.get(endpoint) ?? []), claim]);
      }
    }
    for (const [endpoint, claims] of missing) {
      this.#open(endpoint, claims);
    }
  }

  /** The owner at which a claimed partition must be subscribed; undefined if it is, or none is known. */
  #missingAt(claim: Assignment): string | undefined {
    const { topic } = this.#request;
    if ((this.#fencedEpochs.get(claim.partition) ?? 0) >= claim.epoch) {
      return undefined;
    }
    const endpoint = this.#deps.router.endpointOf(topic, claim.partition) ?? (claim.endpoint || undefined);
    const source = this.#sources.get(claim.partition);
    return source !== undefined && source.stream.endpoint === endpoint ? undefined : endpoint;
  }

  #open(endpoint: string, claims: readonly Assignment[]): void {
    const { channels, watch } = this.#deps;
    const source: Source = {
      partitions: new Set(claims.map(({ partition }) => partition)),
      stream: new OwnerStream({ channels, watch, endpoint }, this.#subscribeRequest(claims), {
        accepted: (terms) => {
          this.#backoffs.delete(endpoint);
          this.#accept(terms);
        },
        deliveries: (deliveries) => {
          this.#onDeliveries(source, deliveries);
        },
        ended: (error) => {
          this.#onStreamEnd(source, error);
        },
      }),
    };
    const moved = new Set<number>();
    for (const partition of source.partitions) {
      if (this.#sources.has(partition)) {
        moved.add(partition);
      }
      this.#uncover(partition);
      this.#sources.set(partition, source);
    }
    if (this.#paused) {
      source.stream.pause();
    }
    if (moved.size > 0) {
      this.#lose(moved);
    }
  }

  #subscribeRequest(claims: readonly Assignment[]): SubscribeRequest {
    const { topic, group, consumer, maxInFlightMessages, maxInFlightBytes, ackDeadlineMs } = this.#request;
    const share = claims.length / Math.max(1, this.#claims.size);
    return {
      topic,
      group,
      consumer,
      claims: claims.map(({ partition, epoch }) => ({ partition, consumerEpoch: epoch })),
      maxInFlightMessages: Math.max(1, Math.floor(maxInFlightMessages * share)),
      maxInFlightBytes: Math.max(LIMITS.inFlightBytes.min, Math.floor(maxInFlightBytes * share)),
      ackDeadline: ackDeadlineMs === undefined ? undefined : durationFromMs(ackDeadlineMs),
      resume: undefined,
    };
  }

  #onDeliveries(source: Source, deliveries: RawDelivery[]): void {
    const current = deliveries.filter(({ partition }) => source.partitions.has(partition));
    if (current.length === 0 || this.#over) {
      return;
    }
    if (this.#terms?.mode === GroupMode.EXCLUSIVE) {
      this.#inFlight.delivered(current);
    }
    this.#events.deliveries(current);
  }

  #onStreamEnd(source: Source, error: HermesError): void {
    this.#retired.delete(source);
    const { partitions } = source;
    if (partitions.size === 0 || this.#over) {
      return;
    }
    for (const partition of partitions) {
      this.#sources.delete(partition);
      this.#deps.router.learn(this.#request.topic, partition, error);
    }
    this.#lose(partitions);
    if (error.code === 'FENCED') {
      this.#onFenced(partitions, error);
    } else if (failureOf(error) === 'final') {
      this.#end(error);
    } else {
      this.#backOff(source.stream.endpoint);
    }
  }

  #lose(partitions: ReadonlySet<number>): void {
    this.#inFlight.lost(partitions);
    this.#events.lost(partitions);
  }

  #onFenced(partitions: ReadonlySet<number>, error: HermesError): void {
    for (const partition of partitions) {
      this.#fencedEpochs.set(partition, this.#claims.get(partition)?.epoch ?? 0);
    }
    // In an EXCLUSIVE group the lease has passed on, and a grant will say so. Elsewhere somebody has this name.
    if (this.#terms?.mode !== GroupMode.EXCLUSIVE) {
      this.#later(FENCED_PATIENCE_MS, () => {
        if ([...partitions].every((partition) => !this.#sources.has(partition))) {
          this.#end(error);
        }
      });
    }
    this.#reconcileSoon();
  }

  #backOff(endpoint: string): void {
    const { clock, random } = this.#deps.environment;
    const known = this.#backoffs.get(endpoint) ?? { backoff: new Backoff(RETRY_BACKOFF, random), notBeforeMs: 0 };
    const delayMs = known.backoff.nextDelayMs();
    known.notBeforeMs = clock.monotonicMs() + delayMs;
    this.#backoffs.set(endpoint, known);
    this.#later(delayMs, () => {
      known.notBeforeMs = 0; // The timer decides: by the clock it may be a moment early.
      this.#reconcile();
    });
    this.#reconcileSoon();
  }

  #later(delayMs: number, task: () => void): void {
    const cancel = this.#deps.environment.timers.after(delayMs, () => {
      this.#timers.delete(cancel);
      task();
    });
    this.#timers.add(cancel);
  }

  #end(error: HermesError): void {
    if (!this.#over) {
      this.close();
      this.#events.ended(error);
    }
  }
}
