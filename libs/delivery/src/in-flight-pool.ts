import { invariant } from '@hermes/runtime';

/**
 * A share grows only while it holds less than so many times what is free. Alone it gets 8/9 of the pool, two that want
 * all get 8/17 each, and there is always something left for one that comes later: no reservation, and nobody has to
 * give up what he holds. (The dynamic thresholds of switch buffers: Choudhury and Hahne, 1998.)
 */
const HELD_PER_FREE = 8;

/**
 * What all groups of the process may have in flight together. Each has a share, takes of it before it delivers, and
 * waits if it is refused. Who waits is woken in the order of waiting, each with the promise of one delivery, so that
 * nobody who was awake anyway can take that from it; one that wants nothing any more passes it on.
 */
export class InFlightPool {
  readonly messagesMax: number;
  readonly #waiting = new Set<InFlightShare>();
  #used = 0;
  #promised = 0;

  constructor(messagesMax: number) {
    this.messagesMax = messagesMax;
  }

  /** Deliveries in flight, those included that are settled and not durable yet; never above `messagesMax`. */
  get used(): number {
    return this.#used;
  }

  /** Shares that were refused and wait for room. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** A share of its own for one group. `wake` says that it may take again; it must not call back. */
  share(wake: () => void): InFlightShare {
    return new InFlightShare(this, wake);
  }

  /** For shares: takes one delivery; false, and it waits from now on, if there is no room for it. */
  take(share: InFlightShare): boolean {
    if (share.isPromised) {
      this.#leave(share);
    } else if (!this.#fits(share)) {
      this.#waiting.add(share);
      return false;
    }
    this.#used += 1;
    return true;
  }

  /** For shares: gives one delivery back; those who wait hear of it by `passOn`. */
  giveBack(): void {
    this.#used -= 1;
    invariant(this.#used >= 0, 'more deliveries given back than taken');
  }

  /** For shares: it does not wait any more. */
  leave(share: InFlightShare): void {
    if (this.#waiting.has(share)) {
      this.#leave(share);
      this.passOn();
    }
  }

  /** Wakes those for whom there is room now. */
  passOn(): void {
    if (this.#waiting.size === 0) {
      return;
    }
    for (const share of this.#waiting) {
      if (!share.isPromised && this.#fits(share)) {
        share.isPromised = true;
        this.#promised += 1;
        share.wake();
      }
    }
  }

  #fits({ held }: InFlightShare): boolean {
    return held < HELD_PER_FREE * (this.messagesMax - this.#used - this.#promised);
  }

  #leave(share: InFlightShare): void {
    this.#waiting.delete(share);
    this.#promised -= share.isPromised ? 1 : 0;
    share.isPromised = false;
  }
}

/** What one group in one partition holds of the pool. */
export class InFlightShare {
  readonly wake: () => void;
  /** True from when it was woken until it takes, or leaves: one delivery is kept for it. The pool's. */
  isPromised = false;
  readonly #pool: InFlightPool;
  #held = 0;
  #refused = false;

  constructor(pool: InFlightPool, wake: () => void) {
    this.#pool = pool;
    this.wake = wake;
  }

  /** Deliveries that it holds. */
  get held(): number {
    return this.#held;
  }

  /** Takes one delivery; false if there is no room: then it is woken once there is. */
  take(): boolean {
    this.#refused = !this.#pool.take(this);
    this.#held += this.#refused ? 0 : 1;
    return !this.#refused;
  }

  /** A delivery is over. `passOn` must follow, once for all that are given back together. */
  giveBack(): void {
    this.#held -= 1;
    this.#pool.giveBack();
  }

  /** What was given back is for those who wait, in their order. */
  passOn(): void {
    this.#pool.passOn();
  }

  /** A turn of deliveries ends: unless its last `take` was refused it wants no more for now. */
  rest(): void {
    if (!this.#refused) {
      this.leave();
    }
    this.#refused = false;
  }

  /** It does not wait any more, and what was promised to it is for others. */
  leave(): void {
    this.#pool.leave(this);
  }
}
