import { Deque } from './deque.js';
import { type Entry, ENTRY_STATE } from './entry.js';
import type { KeyLocks } from './key-locks.js';
import { MinHeap } from './min-heap.js';
import type { Sequencer } from './sequencer.js';

const NOTHING: readonly Entry[] = [];
/** What came forward meanwhile is swept out of the list of blocked messages when it has so many, then when doubled. */
const SWEEP_AT = 4_096;

/**
 * Order per key (KEY_ORDERED), or none (SHARED).
 *
 * The oldest unsettled message of a key holds the key, wherever it stands: ready, in flight, or waiting for another
 * attempt. The others of the key hang behind it in a list of their own and come forward one by one. Two keys with the
 * same hash count as one: that costs parallelism, never order.
 */
export class KeyedSequencer implements Sequencer {
  readonly #byKey: boolean;
  readonly #locks: KeyLocks | undefined;
  readonly #fresh = new Deque<Entry>();
  /** Those that were ready before: older than anything fresh. */
  readonly #again = new MinHeap<Entry>((a, b) => a.offset < b.offset);
  /** Those that go alone. */
  readonly #suspects = new MinHeap<Entry>((a, b) => a.offset < b.offset);
  readonly #holders = new Map<number, Entry>();
  #blocked = new Deque<Entry>();
  #sweepAt = SWEEP_AT;
  readonly #wake = (entry: Entry): void => {
    this.comeBack(entry);
  };

  /** `locks`: shared by the lanes of a KEY_ORDERED group that has several. */
  constructor(mode: 'keyOrdered' | 'shared', locks?: KeyLocks) {
    this.#byKey = mode === 'keyOrdered';
    this.#locks = this.#byKey ? locks : undefined;
  }

  /** Messages in the list of what is blocked, those included that have come forward since. */
  get blockedCount(): number {
    return this.#blocked.size;
  }

  add(entry: Entry): void {
    if (this.#byKey && entry.keyHash !== 0 && !this.#hold(entry)) {
      return;
    }
    if (entry.state === ENTRY_STATE.ready) {
      (entry.isSuspect ? this.#suspects : this.#fresh).push(entry);
    } else if (entry.state === ENTRY_STATE.inFlight && entry.keyHash !== 0) {
      this.#locks?.lock(entry);
    }
  }

  peek(): Entry | undefined {
    return this.#firstFree(false);
  }

  peekSuspect(): Entry | undefined {
    return this.#firstFree(true);
  }

  take(entry: Entry): void {
    this.#shift(entry);
    if (entry.keyHash !== 0) {
      this.#locks?.lock(entry);
    }
  }

  released(entry: Entry): void {
    this.#locks?.unlock(entry);
  }

  fail(): readonly Entry[] {
    return NOTHING;
  }

  comeBack(entry: Entry): void {
    if (!this.#byKey || entry.keyHash === 0 || this.#holders.get(entry.keyHash) === entry) {
      this.#pushAgain(entry);
    }
  }

  isBarred(): boolean {
    return false;
  }

  settled(entry: Entry): void {
    if (!this.#byKey || entry.keyHash === 0 || this.#holders.get(entry.keyHash) !== entry) {
      return;
    }
    let next = entry.nextOfKey;
    const { lastOfKey } = entry;
    // A chain of what is settled would keep all that came after it until a full collection.
    entry.nextOfKey = undefined;
    entry.lastOfKey = undefined;
    while (next?.state === ENTRY_STATE.gone) {
      next = next.nextOfKey;
    }
    if (next === undefined) {
      this.#holders.delete(entry.keyHash);
      return;
    }
    next.lastOfKey = lastOfKey;
    this.#holders.set(entry.keyHash, next);
    if (next.state === ENTRY_STATE.ready) {
      this.#pushAgain(next);
    }
  }

  blocked(max: number): readonly Entry[] {
    const found: Entry[] = [];
    while (found.length < max) {
      const entry = this.#blocked.shift();
      if (entry === undefined) {
        break;
      }
      if (this.#isBlocked(entry)) {
        found.push(entry);
      }
    }
    return found;
  }

  /** The first whose key is not in flight in another lane; others come again when that has ended. */
  #firstFree(isSuspect: boolean): Entry | undefined {
    for (;;) {
      const entry = isSuspect
        ? firstReady(this.#suspects, true)
        : (firstReady(this.#again, false) ?? firstReady(this.#fresh, false));
      if (entry === undefined || entry.keyHash === 0 || this.#locks?.isFree(entry, this.#wake) !== false) {
        return entry;
      }
      this.#shift(entry);
    }
  }

  #pushAgain(entry: Entry): void {
    (entry.isSuspect ? this.#suspects : this.#again).push(entry);
  }

  /** Takes the peeked message out. */
  #shift(entry: Entry): void {
    const heap = entry.isSuspect ? this.#suspects : this.#again;
    if (heap.peek() === entry) {
      heap.pop();
    } else {
      this.#fresh.shift();
    }
  }

  /** True if the entry holds its key now; otherwise it hangs behind the holder. */
  #hold(entry: Entry): boolean {
    const holder = this.#holders.get(entry.keyHash);
    if (holder === undefined) {
      this.#holders.set(entry.keyHash, entry);
      return true;
    }
    (holder.lastOfKey ?? holder).nextOfKey = entry;
    holder.lastOfKey = entry;
    this.#blocked.push(entry);
    if (this.#blocked.size >= this.#sweepAt) {
      this.#sweep();
    }
    return false;
  }

  #isBlocked(entry: Entry): boolean {
    return entry.state === ENTRY_STATE.ready && !entry.stored && this.#holders.get(entry.keyHash) !== entry;
  }

  #sweep(): void {
    const kept = new Deque<Entry>();
    for (let entry = this.#blocked.shift(); entry !== undefined; entry = this.#blocked.shift()) {
      // What is in flight or waits holds its key; given back it stands at the head of it, and is not blocked.
      if (this.#isBlocked(entry)) {
        kept.push(entry);
      }
    }
    this.#blocked = kept;
    this.#sweepAt = Math.max(SWEEP_AT, 2 * kept.size);
  }
}

/** The first item that is still ready and in its right queue; others are dropped on the way. */
function firstReady(
  queue: { peek(): Entry | undefined; shift?(): unknown; pop?(): unknown },
  isSuspect: boolean,
): Entry | undefined {
  for (;;) {
    const entry = queue.peek();
    if (entry === undefined || (entry.state === ENTRY_STATE.ready && entry.isSuspect === isSuspect)) {
      return entry;
    }
    if (queue.shift === undefined) {
      queue.pop?.();
    } else {
      queue.shift();
    }
  }
}
