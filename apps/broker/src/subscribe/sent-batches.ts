/**
 * Of each batch that went out on a subscription: whose deliveries, and the number of the first. The last `capacity` are
 * remembered. That is as many as the credit has messages, so what is not remembered has been settled, or has failed.
 */
export class SentBatches {
  readonly #capacity: number;
  readonly #start: number;
  readonly #partitions: Uint16Array;
  readonly #firstNos: Uint32Array;
  #last: number;

  /** `last`: number of the last batch before. */
  constructor(capacity: number, last: number) {
    this.#capacity = capacity;
    this.#start = last;
    this.#last = last;
    this.#partitions = new Uint16Array(capacity);
    this.#firstNos = new Uint32Array(capacity);
  }

  /** Number of the last batch. */
  get last(): number {
    return this.#last;
  }

  /** Numbers one more batch. */
  add(partition: number, firstDeliveryNo: number): number {
    this.#last += 1;
    const at = this.#last % this.#capacity;
    this.#partitions[at] = partition;
    this.#firstNos[at] = firstDeliveryNo;
    return this.#last;
  }

  /** Number of the first delivery of each partition after a batch; undefined if that is not remembered. */
  after(batch: number): ReadonlyMap<number, number> | undefined {
    if (batch < Math.max(this.#start, this.#last - this.#capacity)) {
      return undefined;
    }
    const firstNos = new Map<number, number>();
    for (let number = batch + 1; number <= this.#last; number += 1) {
      const at = number % this.#capacity;
      const partition = this.#partitions[at] ?? 0;
      if (!firstNos.has(partition)) {
        firstNos.set(partition, this.#firstNos[at] ?? 0);
      }
    }
    return firstNos;
  }
}
