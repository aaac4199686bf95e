import { LIMITS, partitionOfReceipt, type RawDelivery } from '@hermes/contracts';

/**
 * Knows by partition what was delivered and not settled. Of the last deliveries only, as many as can be in flight: an
 * older one was not settled in time and is in flight no more.
 */
export class InFlight {
  readonly #receipts = new Map<number, Set<string>>();
  readonly #waiting = new Map<number, () => void>();

  get isEmpty(): boolean {
    return this.#receipts.size === 0;
  }

  /** The receipts. */
  get receipts(): Buffer[] {
    return [...this.#receipts.values()].flatMap((held) => Array.from(held, (key) => Buffer.from(key, 'latin1')));
  }

  delivered(deliveries: readonly RawDelivery[]): void {
    for (const { partition, receipt } of deliveries) {
      let receipts = this.#receipts.get(partition);
      if (receipts === undefined) {
        receipts = new Set();
        this.#receipts.set(partition, receipts);
      }
      receipts.add(keyOf(receipt));
      if (receipts.size > LIMITS.inFlightMessages.max) {
        const [oldest = ''] = receipts;
        receipts.delete(oldest);
      }
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

  /** The owners have taken these back; unset: all. */
  lost(partitions: Iterable<number> = [...this.#receipts.keys()]): void {
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
