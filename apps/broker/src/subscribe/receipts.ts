import { RECEIPT_TAG_BYTES } from '@hermes/contracts';
import { createHmac } from 'node:crypto';

/** Tags that are remembered per partition: one per consumer that acknowledges here. */
const TAGS_MAX = 4_096;

/** Whose receipts have the same tag. */
export interface ReceiptHolder {
  readonly groupId: number;
  /** Of the group: each seek voids what was delivered before, at later owners too. */
  readonly generation: number;
  readonly consumer: string;
  readonly consumerEpoch: number;
}

/** Seeks back that are told from forgery: a receipt of an earlier generation is stale. */
const GENERATIONS_MAX = 16;

/**
 * Tags of one partition's receipts: 16 bytes of HMAC-SHA-256, by the partition's stored key, over group, generation,
 * consumer and consumer epoch. One per subscription and partition, so a delivery costs no hashing; they outlive the owner.
 */
export class Receipts {
  readonly #key: Uint8Array;
  readonly #tags = new Map<string, Buffer>();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The tag of a consumer of a group. */
  tag({ groupId, generation, consumer, consumerEpoch }: ReceiptHolder): Buffer {
    // No number holds a slash, and the name comes last: no two holders have one text.
    const subject = `${groupId}/${generation}/${consumerEpoch}/${consumer}`;
    let tag = this.#tags.get(subject);
    if (tag === undefined) {
      tag = createHmac('sha256', this.#key).update(subject).digest().subarray(0, RECEIPT_TAG_BYTES);
      this.#remember(subject, tag);
    }
    return tag;
  }

  /** True if the tag is one that the holder had before a seek. */
  isOfEarlierGeneration(tag: Uint8Array, holder: ReceiptHolder): boolean {
    const { generation } = holder;
    for (let earlier = generation - 1; earlier >= Math.max(0, generation - GENERATIONS_MAX); earlier -= 1) {
      if (this.isEqual(tag, this.tag({ ...holder, generation: earlier }))) {
        return true;
      }
    }
    return false;
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
