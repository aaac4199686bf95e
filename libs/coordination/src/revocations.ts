import { REVOKE_GRACE_MS } from './lease.js';

/** What its holders are asked to give back, and when each is asked (again). Whatever was asked for is asked until it ends. */
export class Revocations<Item> {
  readonly #askAtMs = new Map<Item, number>();
  #nextMs = Number.POSITIVE_INFINITY;

  /** When the next one is due; Infinity: none is. May be too early if what was due then has ended. */
  get nextMs(): number {
    return this.#nextMs;
  }

  has(item: Item): boolean {
    return this.#askAtMs.has(item);
  }

  /** Asks for an item, from now on. Harmless if it is asked for already. */
  begin(item: Item, nowMs: number): void {
    if (!this.#askAtMs.has(item)) {
      this.#askAtMs.set(item, nowMs);
      this.#nextMs = Math.min(this.#nextMs, nowMs);
    }
  }

  /** It was given back, or goes to nobody any more. */
  end(item: Item): void {
    if (this.#askAtMs.delete(item) && this.#askAtMs.size === 0) {
      this.#nextMs = Number.POSITIVE_INFINITY;
    }
  }

  /** Those to be asked now; each is asked again after the grace. */
  takeDue(nowMs: number): Item[] {
    if (nowMs < this.#nextMs) {
      return [];
    }
    const due: Item[] = [];
    this.#nextMs = Number.POSITIVE_INFINITY;
    for (const [item, askAtMs] of this.#askAtMs) {
      const isDue = askAtMs <= nowMs;
      const againMs = isDue ? nowMs + REVOKE_GRACE_MS : askAtMs;
      if (isDue) {
        due.push(item);
        this.#askAtMs.set(item, againMs);
      }
      this.#nextMs = Math.min(this.#nextMs, againMs);
    }
    return due;
  }
}
