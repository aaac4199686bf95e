import { Durability, type HermesError, PublishResult, toStatus } from '@hermes/contracts';

/** PublishResponse.results, PublishResult.message_id, PublishResult.durability. */
const RESULT = 0x0a;
const MESSAGE_ID = 0x0a;
const DURABILITY = 0x20;
const DURABILITY_BYTES = 2;

/** The lane that a message went to, as its id begins: `orders/3/0/`. */
export type IdPrefix = Buffer;

/**
 * The results of one request, by index: an offset in a lane, or an error. Kept as columns and written once, so that a
 * message costs no object and no string.
 */
export class PublishResults {
  readonly #prefixes: (IdPrefix | undefined)[];
  readonly #offsets: Float64Array;
  readonly #durability: Durability;
  #errors: Map<number, HermesError> | undefined;

  constructor(count: number, durability: Durability) {
    this.#prefixes = new Array<IdPrefix | undefined>(count).fill(undefined);
    this.#offsets = new Float64Array(count);
    this.#durability = durability;
  }

  get count(): number {
    return this.#prefixes.length;
  }

  get errors(): ReadonlyMap<number, HermesError> {
    return this.#errors ?? NO_ERRORS;
  }

  stored(index: number, prefix: IdPrefix, offset: number): void {
    this.#prefixes[index] = prefix;
    this.#offsets[index] = offset;
  }

  failed(index: number, error: HermesError): void {
    this.#errors ??= new Map();
    this.#errors.set(index, error);
  }

  /** The bytes of the PublishResponse. */
  encode(): Buffer {
    const failures = new Map(
      [...this.errors].map(([index, error]) => [index, PublishResult.encode(failure(error)).finish()] as const),
    );
    const sizes = new Uint32Array(this.count);
    let size = 0;
    for (let index = 0; index < this.count; index += 1) {
      const bytes = failures.get(index)?.length ?? this.#storedBytes(index);
      sizes[index] = bytes;
      size += 1 + lengthBytes(bytes) + bytes;
    }
    const target = Buffer.allocUnsafe(size);
    let at = 0;
    for (let index = 0; index < this.count; index += 1) {
      at = writeLength(target, at, RESULT, sizes[index] ?? 0);
      const failed = failures.get(index);
      if (failed === undefined) {
        at = this.#writeStored(target, at, index);
      } else {
        target.set(failed, at);
        at += failed.length;
      }
    }
    return target;
  }

  #storedBytes(index: number): number {
    const idBytes = this.#idBytes(index);
    return 1 + lengthBytes(idBytes) + idBytes + DURABILITY_BYTES;
  }

  #idBytes(index: number): number {
    return (this.#prefixes[index]?.length ?? 0) + digits(this.#offsets[index] ?? 0);
  }

  #writeStored(target: Buffer, start: number, index: number): number {
    const prefix = this.#prefixes[index] ?? NO_PREFIX;
    let at = writeLength(target, start, MESSAGE_ID, this.#idBytes(index));
    target.set(prefix, at);
    at = writeDigits(target, at + prefix.length, this.#offsets[index] ?? 0);
    target[at] = DURABILITY;
    target[at + 1] = this.#durability;
    return at + DURABILITY_BYTES;
  }
}

const NO_ERRORS: ReadonlyMap<number, HermesError> = new Map();
const NO_PREFIX = Buffer.alloc(0);

function failure(error: HermesError): PublishResult {
  return {
    outcome: { $case: 'error', value: toStatus(error) },
    durability: Durability.UNSPECIFIED,
    duplicate: false,
  };
}

function lengthBytes(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) {
    bytes += 1;
  }
  return bytes;
}

function writeLength(target: Buffer, start: number, tag: number, length: number): number {
  target[start] = tag;
  let at = start + 1;
  let rest = length;
  while (rest >= 0x80) {
    target[at] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    at += 1;
  }
  target[at] = rest;
  return at + 1;
}

function digits(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) {
    count += 1;
  }
  return count;
}

const DIGIT_ZERO = 48;

function writeDigits(target: Buffer, start: number, value: number): number {
  const end = start + digits(value);
  let rest = value;
  for (let at = end - 1; at >= start; at -= 1) {
    target[at] = DIGIT_ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return end;
}
