import { type Entry, ENTRY_STATE, FATE } from './entry.js';
import type { Sequencer } from './sequencer.js';

const NOTHING: readonly Entry[] = [];
/** Settled messages at the head of the list that are worth a copy of the rest. */
const COMPACT_AT = 1024;

/**
 * Offset order of a lane (EXCLUSIVE). All unsettled messages stand in one list by offset; `#next` is the position of
 * the first that is not in flight. A failure moves it back: what was in flight behind the failed message comes again
 * after it. A barrier, once delivered again, lets nothing pass until it is settled.
 */
export class ExclusiveSequencer implements Sequencer {
  #order: Entry[] = [];
  #head = 0;
  #next = 0;
  /** Nothing at or behind this position is in flight. */
  #reached = 0;
  #barrier: Entry | undefined;
  /** Those that have failed and are not settled. */
  readonly #failed = new Set<Entry>();

  add(entry: Entry): void {
    const last = this.#order.at(-1);
    if (last === undefined || last.offset < entry.offset) {
      this.#order.push(entry);
    } else {
      this.#insert(entry);
    }
    if (entry.barrier) {
      this.#failed.add(entry);
    }
    if (entry.state === ENTRY_STATE.inFlight) {
      this.#reached = Math.max(this.#reached, this.#position(entry.offset) + 1);
      this.#barrier = entry.barrier ? entry : this.#barrier;
    }
  }

  peek(): Entry | undefined {
    const entry = this.#peek();
    return entry?.isSuspect === true ? undefined : entry;
  }

  peekSuspect(): Entry | undefined {
    const entry = this.#peek();
    return entry?.isSuspect === true ? entry : undefined;
  }

  take(entry: Entry): void {
    this.#next += 1;
    this.#reached = Math.max(this.#reached, this.#next);
    if (entry.barrier) {
      this.#barrier = entry;
    }
  }

  fail(entry: Entry, barrier: boolean): readonly Entry[] {
    const position = this.#position(entry.offset);
    const voided = this.#order
      .slice(position + 1, this.#reached)
      .filter((other) => other.state === ENTRY_STATE.inFlight);
    this.#next = Math.min(this.#next, position);
    if (barrier) {
      entry.barrier = true;
      this.#failed.add(entry);
    }
    const current = this.#barrier;
    if (current !== undefined && current.offset >= entry.offset && current.state !== ENTRY_STATE.settling) {
      // It failed again, or is voided with the others: delivered once more, it is the barrier again.
      this.#barrier = undefined;
    }
    return voided;
  }

  comeBack(): void {
    // It never left its place.
  }

  released(): void {
    // Its place says all.
  }

  isBarred(offset: number): boolean {
    for (const failed of this.#failed) {
      if (failed.offset < offset) {
        return true;
      }
    }
    return false;
  }

  settled(entry: Entry): void {
    this.#failed.delete(entry);
    if (this.#barrier === entry) {
      this.#barrier = undefined;
    }
    while (this.#order[this.#head]?.state === ENTRY_STATE.gone) {
      this.#head += 1;
    }
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#order.length) {
      this.#order = this.#order.slice(this.#head);
      this.#next = Math.max(0, this.#next - this.#head);
      this.#reached = Math.max(0, this.#reached - this.#head);
      this.#head = 0;
    }
  }

  blocked(): readonly Entry[] {
    return NOTHING;
  }

  #peek(): Entry | undefined {
    while (isPassed(this.#order[this.#next])) {
      this.#next += 1;
    }
    const entry = this.#order[this.#next];
    const isBehindBarrier = this.#barrier !== undefined && entry !== undefined && entry.offset > this.#barrier.offset;
    return entry?.state === ENTRY_STATE.ready && !isBehindBarrier ? entry : undefined;
  }

  /** A message that comes back takes its place; what is in flight behind it stays there, and nothing passes it anew. */
  #insert(entry: Entry): void {
    const position = this.#position(entry.offset);
    this.#order.splice(position, 0, entry);
    this.#head = Math.min(this.#head, position);
    if (position < this.#reached) {
      this.#reached += 1;
    }
    this.#next = Math.min(this.#next, position);
  }

  /** Position of the first entry at or above `offset`. */
  #position(offset: number): number {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle] as Entry).offset < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

/** True if the next message need not wait for this one: it is over, with its consumer, or was taken well. */
function isPassed(entry: Entry | undefined): boolean {
  switch (entry?.state) {
    case ENTRY_STATE.gone:
    case ENTRY_STATE.inFlight:
      return true;
    case ENTRY_STATE.settling:
      return entry.fate === FATE.done || (entry.fate === FATE.dead && !entry.barrier);
    default:
      return false;
  }
}
