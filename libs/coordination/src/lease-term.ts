/** Wall time may run ahead of monotonic time by this between two looks; more means that the machine was suspended. */
const SUSPENSION_MS = 1_000;

/** Unanswered heartbeats that are remembered; an answer to an older one prolongs nothing. */
const HEARTBEATS_MAX = 32;

/** Both clocks, read together. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/**
 * How long a lease lasts, as its holder counts it: from before the answered heartbeat was sent, so that it ends here
 * before the meta-server thinks so. One per stream; what an ended or older stream says is ignored.
 */
export class LeaseTerm {
  readonly #sentAtMs = new Map<number, number>();
  #stream = 0;
  #sequence = 0;
  #expiresAtMs = Number.NEGATIVE_INFINITY;
  #seen: Now | undefined;

  /** The number of the current stream. */
  get stream(): number {
    return this.#stream;
  }

  /** When the lease ends, on the monotonic clock; -Infinity: none is held. */
  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  isValid(nowMs: number): boolean {
    return nowMs < this.#expiresAtMs;
  }

  /** A new stream begins; an unexpired lease goes on. Gives the stream's number. */
  begin(): number {
    this.#sequence = 0;
    this.#sentAtMs.clear();
    return ++this.#stream;
  }

  /** Call before a heartbeat is sent; gives its sequence. */
  heartbeat(now: Now): number {
    this.#sequence += 1;
    this.#sentAtMs.set(this.#sequence, now.monotonicMs);
    this.#sentAtMs.delete(this.#sequence - HEARTBEATS_MAX);
    return this.#sequence;
  }

  /** A heartbeat was answered: prolongs the lease. Sequence 0, unknown ones and older streams prolong nothing. */
  answered(stream: number, sequence: number, ttlMs: number): void {
    const sentAtMs = stream === this.#stream ? this.#sentAtMs.get(sequence) : undefined;
    if (sentAtMs !== undefined) {
      this.#sentAtMs.delete(sequence);
      this.renewed(sentAtMs, ttlMs);
    }
  }

  /** It was renewed, asked for at `sentAtMs`. The caller sees to it that it has not ended since. */
  renewed(sentAtMs: number, ttlMs: number): void {
    this.#expiresAtMs = Math.max(this.#expiresAtMs, sentAtMs + ttlMs);
  }

  /** True if the lease has just ended: its time is up, or the machine was suspended. Call it before all else. */
  hasEnded(now: Now): boolean {
    const suspended = this.#wasSuspended(now);
    this.#seen = now;
    const held = this.#expiresAtMs > Number.NEGATIVE_INFINITY;
    if (suspended ? held || this.#sentAtMs.size > 0 : held && now.monotonicMs >= this.#expiresAtMs) {
      this.#end();
      return true;
    }
    return false;
  }

  #end(): void {
    this.#expiresAtMs = Number.NEGATIVE_INFINITY;
    // Answers that are under way belong to the lease that has ended.
    this.begin();
  }

  #wasSuspended(now: Now): boolean {
    const seen = this.#seen;
    return seen !== undefined && now.wallMs - seen.wallMs > now.monotonicMs - seen.monotonicMs + SUSPENSION_MS;
  }
}
