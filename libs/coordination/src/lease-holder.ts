import { HeldAssignments, type LeaseChange, UNCHANGED } from './held-assignments.js';
import { type HeldPartition, type LeaseAssignment } from './lease.js';
import { LeaseTerm, type Now } from './lease-term.js';

/** A grant as it came. */
export interface ReceivedGrant {
  readonly ttlMs: number;
  /** 0: pushed, prolongs nothing. */
  readonly sequence: number;
  readonly changed: boolean;
  readonly assignments: readonly LeaseAssignment[];
}

/** A renewal in the database that was begun: what it was asked for. */
export interface Renewal {
  readonly sentAtMs: number;
  /** Which lease it is, of all that this holder has had. */
  readonly lease: number;
  /** Which list of assignments was held. */
  readonly list: number;
}

/**
 * The holder's side of a broker lease: a LeaseTerm and what is held under it. (A stream of consumers has one term and
 * HeldAssignments per member.)
 */
export class LeaseHolder {
  readonly #term = new LeaseTerm();
  readonly #held = new HeldAssignments();
  #leases = 0;
  #lists = 0;

  /** When the lease ends, on the monotonic clock: call `tick` then. -Infinity: none is held. */
  get expiresAtMs(): number {
    return this.#term.expiresAtMs;
  }

  /** All that is held, complete with what is being given back. */
  get assignments(): LeaseAssignment[] {
    return this.#held.all;
  }

  /** A new stream begins. Gives its number and what `register` must name as held; closes what has expired. */
  register(now: Now): { stream: number; held: LeaseAssignment[]; change: LeaseChange } {
    const change = this.tick(now);
    this.#held.begin();
    return { stream: this.#term.begin(), held: this.#held.all, change };
  }

  /** Call before a heartbeat is sent. If the lease has ended there is no sequence: close, and register anew. */
  heartbeat(now: Now): { sequence: number | undefined; change: LeaseChange } {
    const change = this.tick(now);
    return { sequence: change.expired ? undefined : this.#term.heartbeat(now), change };
  }

  /** A grant came on `stream`; ignored if that is not the current one. */
  granted(stream: number, grant: ReceivedGrant, now: Now): LeaseChange {
    const change = this.tick(now);
    if (stream !== this.#term.stream) {
      return change;
    }
    this.#term.answered(stream, grant.sequence, grant.ttlMs);
    if (!grant.changed) {
      return UNCHANGED;
    }
    this.#lists += 1;
    return this.#held.replace(grant.assignments);
  }

  /** Call before the lease is renewed in the database. Undefined: none is held that could be. */
  renewal(now: Now): { readonly renewal: Renewal | undefined; readonly change: LeaseChange } {
    const change = this.tick(now);
    const renewal = { sentAtMs: now.monotonicMs, lease: this.#leases, list: this.#lists };
    return { renewal: this.#term.isValid(now.monotonicMs) ? renewal : undefined, change };
  }

  /**
   * The database has renewed the lease, and then said what is owned: the rest is closed. What a meta-server has granted
   * meanwhile is newer than that, and a lease that has ended meanwhile stays so.
   */
  renewed(
    { sentAtMs, lease, list }: Renewal,
    { ttlMs, owned }: { readonly ttlMs: number; readonly owned: readonly HeldPartition[] },
    now: Now,
  ): LeaseChange {
    const change = this.tick(now);
    if (lease !== this.#leases) {
      return change;
    }
    this.#term.renewed(sentAtMs, ttlMs);
    return list === this.#lists ? { ...UNCHANGED, closed: this.#held.retain(owned) } : UNCHANGED;
  }

  /** A revoke came on `stream`: gives what is to be finished and released; undefined if that epoch is not held. */
  revoked(stream: number, revoked: HeldPartition): LeaseAssignment | undefined {
    const current = stream === this.#term.stream && this.#held.holds(revoked);
    return current ? this.#held.find(revoked.topic, revoked.partition) : undefined;
  }

  /** Nothing of this partition runs any more: true if that epoch was held, and `released` is to be sent. */
  release(released: HeldPartition): boolean {
    return this.#held.release(released);
  }

  /** Whether the holder may act for the partition now: a comparison, for each append, delivery and settle. */
  valid(topic: string, partition: number, nowMs: number): boolean {
    return this.#term.isValid(nowMs) && this.#held.find(topic, partition) !== undefined;
  }

  /** Finds out whether the lease has ended, by time or because the machine was suspended. */
  tick(now: Now): LeaseChange {
    if (!this.#term.hasEnded(now)) {
      return UNCHANGED;
    }
    this.#leases += 1;
    return { ...UNCHANGED, closed: this.#held.clear(), expired: true };
  }
}
