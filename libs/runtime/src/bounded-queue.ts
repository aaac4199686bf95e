/** A first-in, first-out queue with a bound in items and in weight (bytes, say). O(1) per call. */
export class BoundedQueue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  #weight = 0;
  readonly #itemsMax: number;
  readonly #weightMax: number;
  readonly #weigh: (item: T) => number;

  constructor(options: { itemsMax: number; weightMax?: number; weigh?: (item: T) => number }) {
    this.#itemsMax = options.itemsMax;
    this.#weightMax = options.weightMax ?? Number.POSITIVE_INFINITY;
    this.#weigh = options.weigh ?? ((): number => 0);
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Sum of the waiting items' weights. */
  get weight(): number {
    return this.#weight;
  }

  /** Adds at the end; false (and unchanged) if a bound would be passed. One item always fits an empty queue. */
  push(item: T): boolean {
    const weight = this.#weigh(item);
    if (this.length >= this.#itemsMax || (this.length > 0 && this.#weight + weight > this.#weightMax)) {
      return false;
    }
    this.#items.push(item);
    this.#weight += weight;
    return true;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Takes the oldest item. */
  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) {
      return undefined;
    }
    this.#items[this.#head] = undefined;
    this.#head += 1;
    this.#weight -= this.#weigh(item);
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
