import { invariant } from '@hermes/runtime';

import { mergeBlocks } from './merge-blocks.js';
import type { ReadBounds } from './message-log.js';
import type { RecordBlock } from './record-block.js';
import type { TailCache, TailEntry } from './tail-cache.js';

/** Blocks are merged up to this size: single publishes would else leave an object graph per record. */
const MERGED_BYTES_MAX = 64 * 1024;

/** Below this many passed entries the list is not cut. */
const COMPACT_ENTRIES_MIN = 256;

/** The newest blocks of one lane, in order of offset; there may be gaps, which only the store can fill. */
export class TailLane {
  readonly #cache: TailCache;
  #entries: TailEntry[] = [];
  #head = 0;

  /** @internal See TailCache.openLane. */
  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  /** One above the newest cached offset; undefined while nothing is cached. */
  get nextOffset(): number | undefined {
    return this.#entries.at(-1)?.block?.nextOffset;
  }

  /** Oldest cached offset; undefined while nothing is cached. */
  get firstOffset(): number | undefined {
    return this.#entries[this.#head]?.block?.from;
  }

  /** Adds the lane's newest block. It may leave a gap, but never overlap. */
  append(block: RecordBlock): void {
    const next = this.nextOffset;
    invariant(next === undefined || block.from >= next, `block at ${block.from} overlaps the cached ${next ?? 0}`);
    const entry: TailEntry = { block, lane: this };
    this.#entries.push(entry);
    this.#cache.add(entry);
    this.#mergeNewest();
  }

  /**
   * Cached records from `from` on, up to the end of a block: call again at `nextOffset`. Undefined if `from` is not
   * cached (evicted, in a gap, or not appended yet).
   */
  read(from: number, bounds: ReadBounds): RecordBlock | undefined {
    const block = this.#find(from);
    this.#cache.counters[block === undefined ? 'misses' : 'hits'] += 1;
    return block?.slice(from, bounds.maxRecords, bounds.maxBytes);
  }

  /** Forgets everything. The lane may be used again. */
  close(): void {
    for (const entry of this.#entries.slice(this.#head)) {
      this.#cache.replace(entry, undefined);
    }
    this.#entries = [];
    this.#head = 0;
  }

  /** @internal The cache has evicted this lane's oldest block. */
  dropOldest(): void {
    this.#head += 1;
    if (
      this.#head === this.#entries.length ||
      (this.#head > COMPACT_ENTRIES_MIN && 2 * this.#head > this.#entries.length)
    ) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  #find(offset: number): RecordBlock | undefined {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.block?.nextOffset ?? 0) <= offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const block = this.#entries[low]?.block;
    return block !== undefined && block.from <= offset ? block : undefined;
  }

  /** Merges neighbours of about one size, so that n small blocks cost each record log n copies and log n blocks. */
  #mergeNewest(): void {
    while (this.#entries.length - this.#head >= 2) {
      const older = this.#entries.at(-2);
      const newer = this.#entries.at(-1);
      if (older?.block === undefined || newer?.block === undefined || !mergeable(older.block, newer.block)) {
        return;
      }
      const merged = mergeBlocks(older.block, newer.block);
      this.#entries.pop();
      this.#cache.replace(newer, undefined);
      this.#cache.replace(older, merged);
    }
  }
}

function mergeable(older: RecordBlock, newer: RecordBlock): boolean {
  return (
    older.nextOffset === newer.from &&
    older.memoryBytes <= 2 * newer.memoryBytes &&
    older.memoryBytes + newer.memoryBytes <= MERGED_BYTES_MAX
  );
}
