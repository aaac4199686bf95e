/** Ranges that lie wholly above the log's end, so that an append never has to wait for one. */
const RANGES_AHEAD = 2;

/** A new range takes this share of all that a lane holds, so that a lane of any size has fewer than 50. */
const RANGE_SHARE = 1 / 3;

/** Upper bounds (excluded) of a lane's range partitions. They are added at the top and dropped at the bottom. */
export class LaneRanges {
  readonly #rangeRows: number;
  #bounds: readonly number[];

  constructor(rangeRows: number, bounds: readonly number[]) {
    this.#rangeRows = rangeRows;
    this.#bounds = bounds;
  }

  get bounds(): readonly number[] {
    return this.#bounds;
  }

  /** Whether fewer ranges than wanted lie above `nextOffset`. */
  wantsMore(nextOffset: number): boolean {
    const lowestAhead = this.#bounds.at(-RANGES_AHEAD - 1);
    return lowestAhead === undefined || nextOffset > lowestAhead;
  }

  /** The bounds to add for a log that ends at `nextOffset`. */
  toAdd(nextOffset: number): number[] {
    const added: number[] = [];
    const all = new LaneRanges(this.#rangeRows, this.#bounds);
    while (all.wantsMore(nextOffset)) {
      const bound = all.#next(nextOffset);
      added.push(bound);
      all.add([bound]);
    }
    return added;
  }

  /** The lowest bound if its range lies wholly below `firstOffset`. One range always stays. */
  below(firstOffset: number): number | undefined {
    const [lowest, next] = this.#bounds;
    return lowest !== undefined && next !== undefined && lowest <= firstOffset ? lowest : undefined;
  }

  dropLowest(count: number): void {
    this.#bounds = this.#bounds.slice(count);
  }

  add(bounds: readonly number[]): void {
    this.#bounds = [...this.#bounds, ...bounds];
  }

  #next(nextOffset: number): number {
    const top = this.#bounds.at(-1) ?? 0;
    const span = top - Math.max(0, (this.#bounds[0] ?? 0) - this.#rangeRows);
    const size = Math.max(this.#rangeRows, Math.ceil(span * RANGE_SHARE));
    // After a hole one range goes over it.
    return Math.max(top, nextOffset) + size;
  }
}
