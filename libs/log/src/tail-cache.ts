import type { RecordBlock } from './record-block.js';
import { TailLane } from './tail-lane.js';

/** What a cached block costs beside its buffer: its typed arrays and list entries. */
const BLOCK_OVERHEAD_BYTES = 1_024;

/** Below this many list entries forgetting the dead ones is not worth a pass. */
const COMPACT_ENTRIES_MIN = 1_024;

/** A block's place in the order of eviction. Without a block it is dead: evicted, merged or of a closed lane. */
export interface TailEntry {
  block: RecordBlock | undefined;
  readonly lane: TailLane;
}

/** Totals since the start, for metrics. */
export interface TailCacheCounters {
  hits: number;
  misses: number;
  evictedBlocks: number;
}

/**
 * The newest records of all lanes of a process, within one bound in bytes: tailing groups read here and cause no read
 * of the store. The block that was appended first is evicted first, whichever lane it is of.
 */
export class TailCache {
  readonly counters: TailCacheCounters = { hits: 0, misses: 0, evictedBlocks: 0 };
  #bytesMax: number;
  #bytes = 0;
  #order: TailEntry[] = [];
  #head = 0;
  #dead = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held, overhead included; at most `bytesMax`. */
  get bytes(): number {
    return this.#bytes;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** Changes the bound; what no longer fits goes at once. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evict();
  }

  /** The cache of one lane, empty. */
  openLane(): TailLane {
    return new TailLane(this);
  }

  /** @internal Takes the lane's newest entry in. */
  add(entry: TailEntry): void {
    this.#order.push(entry);
    this.#bytes += weigh(entry.block);
    this.#evict();
  }

  /** @internal Puts another block in an entry's place; none makes the entry dead. */
  replace(entry: TailEntry, block: RecordBlock | undefined): void {
    this.#bytes += weigh(block) - weigh(entry.block);
    entry.block = block;
    this.#dead += block === undefined ? 1 : 0;
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) {
      const entry = this.#order[this.#head];
      this.#head += 1;
      if (entry?.block === undefined) {
        this.#dead -= 1;
        continue;
      }
      this.#bytes -= weigh(entry.block);
      entry.block = undefined;
      entry.lane.dropOldest();
      this.counters.evictedBlocks += 1;
    }
    this.#compact();
  }

  #compact(): void {
    if (this.#order.length > COMPACT_ENTRIES_MIN && 2 * (this.#head + this.#dead) > this.#order.length) {
      this.#order = this.#order.slice(this.#head).filter((entry) => entry.block !== undefined);
      this.#head = 0;
      this.#dead = 0;
    }
  }
}

function weigh(block: RecordBlock | undefined): number {
  return block === undefined ? 0 : block.memoryBytes + BLOCK_OVERHEAD_BYTES;
}
