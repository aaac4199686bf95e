import { murmur2, partitionForHash } from '../murmur2.js';
import { viewOf } from './utf8.js';

/** What the scanner found in a well-formed Message within its limits. Keys are views, made when asked for. */
export class ScannedMessage {
  readonly kind = 'ok';
  /** The whole Message as published. */
  readonly bytes: Uint8Array;
  bodyBytes = 0;
  priority = 0;
  attributes = 0;
  attributeBytes = 0;
  keyStart = 0;
  keyEnd = 0;
  refKeyStart = 0;
  refKeyEnd = 0;
  idempotencyKeyStart = 0;
  idempotencyKeyEnd = 0;
  deliverAtMs: number | undefined = undefined;
  delayMs: number | undefined = undefined;
  ttlMs: number | undefined = undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get hasKey(): boolean {
    return this.keyEnd > this.keyStart;
  }

  /** UTF-8 of the key; undefined if there is none, or it is empty. */
  get key(): Uint8Array | undefined {
    return this.#view(this.keyStart, this.keyEnd);
  }

  get refKey(): Uint8Array | undefined {
    return this.#view(this.refKeyStart, this.refKeyEnd);
  }

  get idempotencyKey(): Uint8Array | undefined {
    return this.#view(this.idempotencyKeyStart, this.idempotencyKeyEnd);
  }

  /** murmur2 of the key, signed 32 bits; 0 without a key (see hasKey: a key may hash to 0 too). */
  get keyHash(): number {
    return this.hasKey ? murmur2(this.bytes, this.keyStart, this.keyEnd) : 0;
  }

  /** The partition by key, else by idempotency key; undefined: any, so round robin. */
  partition(partitions: number): number | undefined {
    if (this.hasKey) {
      return partitionForHash(this.keyHash, partitions);
    }
    if (this.idempotencyKeyEnd > this.idempotencyKeyStart) {
      return partitionForHash(murmur2(this.bytes, this.idempotencyKeyStart, this.idempotencyKeyEnd), partitions);
    }
    return undefined;
  }

  #view(start: number, end: number): Uint8Array | undefined {
    return end > start ? viewOf(this.bytes, start, end) : undefined;
  }
}
