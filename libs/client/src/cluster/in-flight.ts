import { partitionOfReceipt, type RawDelivery } from '@hermes/contracts';

/** Counts by partition what was delivered and not settled, so that a partition is given back only when it is done. */
export class InFlight {
  readonly #receipts = new Map<number, Set<string>>();
  readonly #waiting = new Map<number, () => void>();

  delivered(deliveries: readonly RawDelivery[]): void {
    for (const { partition, receipt } of deliveries) {
      let receipts = this.#receipts.get(partition);
      if (receipts === undefined) {
        receipts = new Set();
        this.#receipts.set(partition, receipts);
      }
      receipts.add(keyOf(receipt));
    }
  }

  settled(receipt: Uint8Array): void {
    if (this.#receipts.size === 0) {
      return;
    }
    const partition = partitionOfReceipt(receipt) ?? -1;
    const held = this.#receipts.get(partition);
    if (held?.delete(keyOf(receipt)) === true && held.size === 0) {
      this.#none(partition);
    }
  }

  /** The owner has taken these back. */
  lost(partitions: Iterable<number>): void {
    for (const partition of partitions) {
      this.#none(partition);
    }
  }

  /** Calls `done` once nothing of the partition is in flight: at once, if nothing is. */
  whenNone(partition: number, done: () => void): void {
    if (this.#receipts.has(partition)) {
      this.#waiting.set(partition, done);
    } else {
      done();
    }
  }

  #none(partition: number): void {
    this.#receipts.delete(partition);
    const done = this.#waiting.get(partition);
    this.#waiting.delete(partition);
    done?.();
  }
}

function keyOf(receipt: Uint8Array): string {
  return Buffer.from(receipt.buffer, receipt.byteOffset, receipt.byteLength).toString('latin1');
}
