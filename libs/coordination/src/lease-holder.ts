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

/**
 * The holder's side of a broker lease: a LeaseTerm and what is held under it. (A stream of consumers has one term and
 * HeldAssignments per member.)
 */
export class LeaseHolder {
  readonly #term = new LeaseTerm();
  readonly #held = new HeldAssignments();

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
    return grant.changed ? this.#held.replace(grant.assignments) : UNCHANGED;
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
    return this.#term.hasEnded(now) ? { ...UNCHANGED, closed: this.#held.clear(), expired: true } : UNCHANGED;
  }
}
