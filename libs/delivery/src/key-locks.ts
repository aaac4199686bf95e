import { type Entry, ENTRY_STATE } from './entry.js';

/** A message that may be delivered once its key is free. */
interface Waiter {
  readonly entry: Entry;
  /** Makes it deliverable in its lane. */
  readonly wake: (entry: Entry) => void;
}

/**
 * Keys with a message in flight, of one group with several lanes. Within a lane a key's messages follow each other
 * anyway; this keeps two lanes from delivering messages of the same key at the same time. What is urgent may still
 * overtake what is waiting: the order of a key is that of each lane.
 */
export class KeyLocks {
  readonly #locks = new Map<number, { readonly holder: Entry; readonly waiting: Waiter[] }>();

  /** True if nothing of its key is in flight in another lane; otherwise `wake` is called when that has ended. */
  isFree(entry: Entry, wake: (entry: Entry) => void): boolean {
    const lock = this.#locks.get(entry.keyHash);
    if (lock === undefined) {
      return true;
    }
    lock.waiting.push({ entry, wake });
    return false;
  }

  /** The entry is in flight now; its key was free. */
  lock(entry: Entry): void {
    this.#locks.set(entry.keyHash, { holder: entry, waiting: [] });
  }

  /** The entry is not in flight any more, and what was decided of it is durable. Harmless if it holds no lock. */
  unlock(entry: Entry): void {
    const lock = this.#locks.get(entry.keyHash);
    if (lock?.holder !== entry) {
      return;
    }
    this.#locks.delete(entry.keyHash);
    for (const waiter of lock.waiting) {
      if (waiter.entry.state === ENTRY_STATE.ready) {
        waiter.wake(waiter.entry);
      }
    }
  }
}
