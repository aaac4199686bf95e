import type { OffsetRange } from './group-state.js';

/**
 * What a group has settled in one lane: everything below the floor, and ranges above it. In-order settling touches
 * only the floor; ranges are found by binary search.
 */
export class OffsetRanges {
  #floor: number;
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  #settledAbove = 0;

  constructor(floor: number, settled: readonly OffsetRange[] = []) {
    this.#floor = floor;
    for (const { from, to } of settled) {
      this.#from.push(from);
      this.#to.push(to);
      this.#settledAbove += to - from;
    }
  }

  /** The lowest offset that is not settled. */
  get floor(): number {
    return this.#floor;
  }

  /** Number of ranges above the floor. */
  get rangeCount(): number {
    return this.#from.length;
  }

  /** Number of settled offsets above the floor. */
  get settledAbove(): number {
    return this.#settledAbove;
  }

  /** End of the last range; the floor without one. */
  get end(): number {
    return this.#to.at(-1) ?? this.#floor;
  }

  /** Number of settled offsets with `from` ≤ offset < `to`; `from` is not below the floor. */
  countIn(from: number, to: number): number {
    let count = 0;
    for (let index = Math.max(0, this.#lastFromAtMost(from)); (this.#from[index] ?? to) < to; index += 1) {
      count += Math.max(0, Math.min(to, this.#to[index] ?? 0) - Math.max(from, this.#from[index] ?? 0));
    }
    return count;
  }

  has(offset: number): boolean {
    if (offset < this.#floor) {
      return true;
    }
    const index = this.#lastFromAtMost(offset);
    return index >= 0 && offset < (this.#to[index] ?? 0);
  }

  /** Settles one offset; settling it again changes nothing. */
  add(offset: number): void {
    this.addRange(offset, offset + 1);
  }

  /** Settles `from` ≤ offset < `to`, whatever of it was settled before. */
  addRange(from: number, to: number): void {
    if (to <= this.#floor || to <= from) {
      return;
    }
    if (from <= this.#floor) {
      this.#floor = to;
      this.#swallow();
    } else {
      this.#insert(from, to);
    }
  }

  ranges(): OffsetRange[] {
    return this.#from.map((from, index) => ({ from, to: this.#to[index] ?? from }));
  }

  /** Moves the floor over the ranges that it has reached. */
  #swallow(): void {
    let reached = 0;
    while (reached < this.#from.length && (this.#from[reached] ?? 0) <= this.#floor) {
      this.#settledAbove -= (this.#to[reached] ?? 0) - (this.#from[reached] ?? 0);
      this.#floor = Math.max(this.#floor, this.#to[reached] ?? 0);
      reached += 1;
    }
    if (reached > 0) {
      this.#from.splice(0, reached);
      this.#to.splice(0, reached);
    }
  }

  /** Merges a range above the floor with those that it overlaps or touches. */
  #insert(from: number, to: number): void {
    let first = this.#lastFromAtMost(from);
    if (first < 0 || (this.#to[first] ?? 0) < from) {
      first += 1;
    }
    let last = first;
    let [mergedFrom, mergedTo] = [from, to];
    while (last < this.#from.length && (this.#from[last] ?? 0) <= to) {
      const [rangeFrom, rangeTo] = [this.#from[last] ?? 0, this.#to[last] ?? 0];
      mergedFrom = Math.min(mergedFrom, rangeFrom);
      mergedTo = Math.max(mergedTo, rangeTo);
      this.#settledAbove -= rangeTo - rangeFrom;
      last += 1;
    }
    this.#from.splice(first, last - first, mergedFrom);
    this.#to.splice(first, last - first, mergedTo);
    this.#settledAbove += mergedTo - mergedFrom;
  }

  /** Index of the last range that begins at or below `offset`; −1 if there is none. */
  #lastFromAtMost(offset: number): number {
    let [low, high] = [0, this.#from.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#from[middle] ?? 0) <= offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low - 1;
  }
}
