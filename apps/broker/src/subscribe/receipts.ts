import { RECEIPT_TAG_BYTES } from '@hermes/contracts';
import { createHmac } from 'node:crypto';

/** Tags that are remembered per partition: one per consumer that acknowledges here. */
const TAGS_MAX = 4_096;

/**
 * Tags of one partition's receipts: 16 bytes of HMAC-SHA-256, by the partition's stored key, over group, consumer and
 * consumer epoch. One per subscription and partition, so a delivery costs no hashing; they outlive the owner.
 */
export class Receipts {
  readonly #key: Uint8Array;
  readonly #tags = new Map<string, Buffer>();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The tag of a consumer of a group. */
  tag(groupId: number, consumer: string, consumerEpoch: number): Buffer {
    // Neither number holds a slash, and the name comes last: no two triples have one text.
    const subject = `${groupId}/${consumerEpoch}/${consumer}`;
    let tag = this.#tags.get(subject);
    if (tag === undefined) {
      tag = createHmac('sha256', this.#key).update(subject).digest().subarray(0, RECEIPT_TAG_BYTES);
      this.#remember(subject, tag);
    }
    return tag;
  }

  /**
   * Compares tags in time that does not depend on where they differ: all bytes, whatever they are. `timingSafeEqual`
   * does the same, at ten times the cost for so few.
   */
  isEqual(a: Uint8Array, b: Uint8Array): boolean {
    let difference = a.length ^ b.length;
    for (let index = 0; index < RECEIPT_TAG_BYTES; index += 1) {
      difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
    }
    return difference === 0;
  }

  #remember(subject: string, tag: Buffer): void {
    if (this.#tags.size >= TAGS_MAX) {
      const oldest = this.#tags.keys().next();
      if (oldest.done !== true) {
        this.#tags.delete(oldest.value);
      }
    }
    this.#tags.set(subject, tag);
  }
}
