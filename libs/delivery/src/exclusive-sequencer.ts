import { type Entry, ENTRY_STATE } from './entry.js';
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
  #barrier: Entry | undefined;
  /** Those that have failed and are not settled. */
  readonly #failed = new Set<Entry>();

  add(entry: Entry): void {
    this.#order.push(entry);
    if (entry.barrier) {
      this.#failed.add(entry);
    }
  }

  peek(): Entry | undefined {
    if (this.#barrier !== undefined) {
      return undefined;
    }
    while (this.#order[this.#next]?.state === ENTRY_STATE.gone) {
      this.#next += 1;
    }
    const entry = this.#order[this.#next];
    return entry?.state === ENTRY_STATE.ready ? entry : undefined;
  }

  take(entry: Entry): void {
    this.#next += 1;
    if (entry.barrier) {
      this.#barrier = entry;
    }
  }

  fail(entry: Entry, barrier: boolean): readonly Entry[] {
    const position = this.#position(entry.offset);
    const voided = this.#order.slice(position + 1, this.#next).filter((other) => other.state === ENTRY_STATE.inFlight);
    this.#next = Math.min(this.#next, position);
    if (barrier) {
      entry.barrier = true;
      this.#failed.add(entry);
    }
    if (this.#barrier !== undefined && this.#barrier.offset >= entry.offset) {
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
      this.#head = 0;
    }
  }

  blocked(): readonly Entry[] {
    return NOTHING;
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
