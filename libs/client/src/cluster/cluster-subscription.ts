import { type Assignment, GroupMode, HermesError, type RawDelivery, type SubscribeAccepted } from '@hermes/contracts';
import { Claims } from './claims.js';
import { type ConsumerLeases, type Member } from './consumer-leases.js';
import { failureOf } from './failure.js';
import { InFlight } from './in-flight.js';
import { OwnerStreams, type OwnerStreamsDeps, RETRY_BACKOFF } from './owner-streams.js';
import {
  type BatchOrigin,
  type Subscription,
  type SubscriptionEvents,
  type SubscriptionRequest,
} from './subscription.js';
import { TimerSet } from './timer-set.js';

/** A consumer whose lease is merely being renewed is granted again within this; else another has its name. */
const FENCED_PATIENCE_MS = 2_000;

/** What a subscription to a whole cluster needs. */
export interface ClusterSubscriptionDeps extends OwnerStreamsDeps {
  readonly leases: ConsumerLeases;
  /** The group's terms, asked for only when the lease grants no partition or is in doubt. */
  readonly terms: () => Promise<SubscribeAccepted>;
  /** It knows what is in flight in any group, not only where a lease has to wait for it. */
  readonly knowsInFlight: boolean;
}

/** One consumer's subscription to every partition that its lease grants: the lease's side; the streams follow it. */
export class ClusterSubscription implements Subscription {
  readonly #deps: ClusterSubscriptionDeps;
  #request: SubscriptionRequest;
  readonly #events: SubscriptionEvents;
  readonly #claims = new Claims();
  readonly #streams: OwnerStreams;
  /** Of EXCLUSIVE groups; of others only if `knowsInFlight`. */
  readonly inFlight = new InFlight();
  readonly #timers: TimerSet;
  readonly #member: Member;
  #terms: SubscribeAccepted | undefined;
  #askingTerms = false;
  #over = false;

  constructor(deps: ClusterSubscriptionDeps, request: SubscriptionRequest, events: SubscriptionEvents) {
    this.#deps = deps;
    this.#request = request;
    this.#events = events;
    this.#timers = new TimerSet(deps.environment.timers);
    this.#streams = this.#openStreams();
    this.#member = this.#join();
  }

  pause(): void {
    this.#streams.pause();
  }

  resume(): void {
    this.#streams.resume();
  }

  /** The consumer is out of reach: takes nothing more; the owners keep what is in flight for LIMITS.resumeMs. */
  hold(): void {
    this.#streams.hold();
  }

  /**
   * The consumer is back, with new terms. `missed`: by stream the first batch that it did not get; undefined if that is
   * not known: then all that is in flight comes again.
   */
  reopen(request: SubscriptionRequest, missed: ReadonlyMap<number, number> | undefined): void {
    if (!this.#over) {
      this.#request = request;
      this.#streams.reopen(request, missed);
    }
  }

  settled(receipt: Uint8Array): void {
    this.inFlight.settled(receipt);
  }

  close(): void {
    if (!this.#over) {
      this.#over = true;
      this.#timers.cancelAll();
      this.#streams.cancel();
      this.#member.leave();
    }
  }

  #openStreams(): OwnerStreams {
    return new OwnerStreams(this.#deps, this.#request, this.#claims, {
      accepted: (terms) => {
        this.#accept(terms);
      },
      deliveries: (deliveries, from) => {
        this.#onDeliveries(deliveries, from);
      },
      lost: (partitions) => {
        this.#lose(partitions);
      },
      ended: (error, epochs) => this.#onStreamEnd(error, epochs),
      closed: (error) => {
        this.#end(error);
      },
    });
  }

  #join(): Member {
    const { topic, group, consumer } = this.#request;
    return this.#deps.leases.join(
      { topic, group, consumer },
      {
        granted: (assignments) => {
          this.#onGrant(assignments);
        },
        revoked: (assignment, graceMs) => {
          this.#onRevoke(assignment, graceMs);
        },
        doubted: () => {
          this.#askTerms();
        },
        refused: (error) => {
          this.#end(error);
        },
      },
    );
  }

  get #isExclusive(): boolean {
    return this.#terms?.mode === GroupMode.EXCLUSIVE;
  }

  #onGrant(assignments: readonly Assignment[]): void {
    const taken = this.#claims.replace(assignments);
    if (this.#isExclusive) {
      // The next holder handles their messages, and its subscription fences the old one.
      this.#streams.retire(taken);
      this.#lose(taken);
    } else {
      // No newer holder would fence their streams: what these go on delivering would be in flight for nobody.
      this.#streams.cut(taken);
    }
    if (assignments.length === 0) {
      this.#onNothingGranted(taken.size > 0);
    }
    this.#streams.reconcile();
  }

  #onNothingGranted(hadSome: boolean): void {
    if (hadSome || this.#terms === undefined) {
      this.#askTerms(); // The group may be gone.
    }
    if (hadSome && !this.#isExclusive) {
      // Everyone has a share in such a group: this consumer has lost its place.
      const error = new HermesError('FENCED', `another consumer took the name ${this.#request.consumer}`);
      this.#endUnless(() => this.#claims.size > 0, error);
    }
  }

  /** Takes nothing more of the partition, lets what is in flight be settled, then gives it back. */
  #onRevoke(assignment: Assignment, graceMs: number): void {
    if (!this.#claims.revoke(assignment)) {
      this.#member.released(assignment);
      return;
    }
    const { partition } = assignment;
    this.#streams.retire([partition]);
    const cancel = this.#timers.after(graceMs, () => {
      // From now on another handles what is in flight.
      this.#lose(new Set([partition]));
    });
    const release = (): void => {
      cancel();
      this.#member.released(assignment);
    };
    if (this.#isExclusive) {
      this.inFlight.whenNone(partition, release);
    } else {
      release();
    }
  }

  #onDeliveries(deliveries: RawDelivery[], from: BatchOrigin): void {
    if (this.#isExclusive || this.#deps.knowsInFlight) {
      this.inFlight.delivered(deliveries);
    }
    this.#events.deliveries(deliveries, from);
  }

  #lose(partitions: ReadonlySet<number>): void {
    if (partitions.size > 0) {
      this.inFlight.lost(partitions);
      this.#events.lost(partitions);
    }
  }

  /** True if what the stream had is to be subscribed again soon. */
  #onStreamEnd(error: HermesError, epochs: ReadonlyMap<number, number>): boolean {
    if (error.code === 'FENCED') {
      if (isFencedByItself(error, epochs)) {
        return true;
      }
      this.#onFenced(error, epochs);
      return false;
    }
    if (failureOf(error) === 'final') {
      this.#end(error);
      return false;
    }
    return true;
  }

  #onFenced(error: HermesError, epochs: ReadonlyMap<number, number>): void {
    const observed = Number(error.details['epoch'] ?? 0);
    for (const [partition, epoch] of epochs) {
      const claim = this.#claims.fence(partition, epoch);
      if (claim !== undefined && observed > epoch) {
        this.#member.epochTooLow(claim, observed);
      }
    }
    // In an EXCLUSIVE group a grant will say who has the lease, and at which epoch. Elsewhere somebody has this name.
    if (!this.#isExclusive) {
      this.#endUnless(() => !this.#streams.hasNone(epochs.keys()), error);
    }
    this.#streams.reconcile();
  }

  #askTerms(): void {
    if (this.#askingTerms) {
      return;
    }
    this.#askingTerms = true;
    this.#deps.terms().then(
      (terms) => {
        this.#askingTerms = false;
        this.#accept(terms);
      },
      (error: unknown) => {
        this.#askingTerms = false;
        if (failureOf(error as HermesError) === 'final') {
          this.#end(error as HermesError);
        } else if (!this.#over && this.#claims.size === 0) {
          this.#timers.after(RETRY_BACKOFF.maxMs, () => {
            this.#askTerms();
          });
        }
      },
    );
  }

  #accept(terms: SubscribeAccepted): void {
    if (this.#terms === undefined && !this.#over) {
      this.#terms = terms;
      this.#events.accepted({ ...terms, partitions: this.#claims.partitions });
    }
  }

  #endUnless(isBack: () => boolean, error: HermesError): void {
    this.#timers.after(FENCED_PATIENCE_MS, () => {
      if (!isBack()) {
        this.#end(error);
      }
    });
  }

  #end(error: HermesError): void {
    if (!this.#over) {
      this.close();
      this.#events.ended(error);
    }
  }
}

/**
 * Whether the stream that took the partitions has the same lease: an older one of this consumer, given up since, whose
 * request lay in the socket of a broker that stood still.
 */
function isFencedByItself(error: HermesError, epochs: ReadonlyMap<number, number>): boolean {
  const { epoch } = error.details;
  return epoch !== undefined && Number(epoch) <= Math.max(...epochs.values());
}
