import type { Entry } from './entry.js';

/**
 * Messages that a subscription holds, in the order in which they came. A list through the entries themselves, each of
 * which is in one list at most: nothing is allocated per delivery, and the oldest is found at once.
 */
export class HeldList implements Iterable<Entry> {
  #first: Entry | undefined;
  #last: Entry | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): Entry | undefined {
    return this.#first;
  }

  push(entry: Entry): void {
    entry.heldIn = this;
    entry.heldBefore = this.#last;
    if (this.#last === undefined) {
      this.#first = entry;
    } else {
      this.#last.heldAfter = entry;
    }
    this.#last = entry;
    this.#size += 1;
  }

  /** `entry` is in this list. */
  remove(entry: Entry): void {
    const { heldBefore, heldAfter } = entry;
    if (heldBefore === undefined) {
      this.#first = heldAfter;
    } else {
      heldBefore.heldAfter = heldAfter;
    }
    if (heldAfter === undefined) {
      this.#last = heldBefore;
    } else {
      heldAfter.heldBefore = heldBefore;
    }
    entry.heldIn = undefined;
    entry.heldBefore = undefined;
    entry.heldAfter = undefined;
    this.#size -= 1;
  }

  *[Symbol.iterator](): Iterator<Entry> {
    for (let entry = this.#first; entry !== undefined; entry = entry.heldAfter) {
      yield entry;
    }
  }
}
