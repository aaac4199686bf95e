/**
 * Of each batch that went out on a subscription: the source that it came from, and the source's own number for it. The
 * last `capacity` are remembered: as many as the credit has messages, for what is older has been settled, or has failed.
 */
export class SentBatches {
  readonly #capacity: number;
  readonly #start: number;
  readonly #sources: Uint16Array;
  readonly #numbers: Uint32Array;
  #last: number;

  /** `last`: number of the last batch before. */
  constructor(capacity: number, last: number) {
    this.#capacity = capacity;
    this.#start = last;
    this.#last = last;
    this.#sources = new Uint16Array(capacity);
    this.#numbers = new Uint32Array(capacity);
  }

  /** Number of the last batch. */
  get last(): number {
    return this.#last;
  }

  get #firstRemembered(): number {
    return Math.max(this.#start, this.#last - this.#capacity) + 1;
  }

  /** Numbers one more batch. Numbers of one source grow. */
  add(source: number, number: number): number {
    this.#last += 1;
    const at = this.#last % this.#capacity;
    this.#sources[at] = source;
    this.#numbers[at] = number;
    return this.#last;
  }

  /** The batches of one source that are remembered, in order. */
  of(source: number): { readonly batch: number; readonly number: number }[] {
    const batches = [];
    for (let batch = this.#firstRemembered; batch <= this.#last; batch += 1) {
      const at = batch % this.#capacity;
      if (this.#sources[at] === source) {
        batches.push({ batch, number: this.#numbers[at] ?? 0 });
      }
    }
    return batches;
  }

  /** What came first of each source after a batch, by the source's number; undefined if that is not remembered. */
  after(batch: number): ReadonlyMap<number, number> | undefined {
    if (batch + 1 < this.#firstRemembered) {
      return undefined;
    }
    const first = new Map<number, number>();
    for (let later = batch + 1; later <= this.#last; later += 1) {
      const at = later % this.#capacity;
      const source = this.#sources[at] ?? 0;
      if (!first.has(source)) {
        first.set(source, this.#numbers[at] ?? 0);
      }
    }
    return first;
  }
}
