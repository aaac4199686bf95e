/**
 * Things that come and go, each found again by the slot that it got; slots are used again. For what changes thousands
 * of times a second: V8 keeps each table that a Map or Set has outgrown, and all that was in it, reachable from the
 * table before, so that under churn nearly everything survives until a full collection.
 */
export class Slots<T extends object> implements Iterable<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Takes `item` in; its slot is its own until `take`. */
  add(item: T): number {
    const slot = this.#free.pop() ?? this.#items.length;
    this.#items[slot] = item;
    return slot;
  }

  /** Takes out what is in `slot`; undefined if it is empty. */
  take(slot: number): T | undefined {
    const item = this.#items[slot];
    if (item !== undefined) {
      this.#items[slot] = undefined;
      this.#free.push(slot);
    }
    return item;
  }

  clear(): void {
    this.#items.length = 0;
    this.#free.length = 0;
  }

  /** All that is there, in no order. What is taken or added meanwhile may or may not be among it. */
  *[Symbol.iterator](): Iterator<T> {
    for (const item of this.#items) {
      if (item !== undefined) {
        yield item;
      }
    }
  }
}
