import { Durability, type HermesError, PublishResult, toStatus } from '@hermes/contracts';

/** PublishResponse.results, PublishResult.message_id, PublishResult.durability. */
const RESULT = 0x0a;
const MESSAGE_ID = 0x0a;
const DURABILITY = 0x20;
const DURABILITY_BYTES = 2;

/** Where messages went. */
export interface StoredPlace {
  /** How their ids begin: `orders/3/0/`. */
  readonly idPrefix: Buffer;
  readonly durability: Durability;
}

/**
 * The results of one request, by index: an offset in a lane, or an error. Kept as columns and written once, so that a
 * message costs no object and no string.
 */
export class PublishResults {
  readonly #places: (StoredPlace | undefined)[];
  readonly #offsets: Float64Array;
  #errors: Map<number, HermesError> | undefined;
  #told: Map<number, PublishResult> | undefined;

  constructor(count: number) {
    this.#places = new Array<StoredPlace | undefined>(count).fill(undefined);
    this.#offsets = new Float64Array(count);
  }

  get count(): number {
    return this.#places.length;
  }

  get errors(): ReadonlyMap<number, HermesError> {
    return this.#errors ?? NO_ERRORS;
  }

  stored(index: number, place: StoredPlace, offset: number): void {
    this.#places[index] = place;
    this.#offsets[index] = offset;
  }

  /** A result that is rare enough to cost an object. */
  told(index: number, result: PublishResult): void {
    this.#told ??= new Map();
    this.#told.set(index, result);
  }

  failed(index: number, error: HermesError): void {
    this.#errors ??= new Map();
    this.#errors.set(index, error);
  }

  /** The bytes of the PublishResponse. */
  encode(): Buffer {
    const others = new Map<number, Uint8Array>();
    for (const [index, result] of this.#others()) {
      others.set(index, PublishResult.encode(result).finish());
    }
    const sizes = new Uint32Array(this.count);
    let size = 0;
    for (let index = 0; index < this.count; index += 1) {
      const bytes = others.get(index)?.length ?? this.#storedBytes(index);
      sizes[index] = bytes;
      size += 1 + lengthBytes(bytes) + bytes;
    }
    const target = Buffer.allocUnsafe(size);
    let at = 0;
    for (let index = 0; index < this.count; index += 1) {
      at = writeLength(target, at, RESULT, sizes[index] ?? 0);
      const other = others.get(index);
      if (other === undefined) {
        at = this.#writeStored(target, at, index);
      } else {
        target.set(other, at);
        at += other.length;
      }
    }
    return target;
  }

  /** Results that are no new offset in a lane. */
  *#others(): Generator<readonly [number, PublishResult]> {
    yield* this.#told ?? [];
    for (const [index, error] of this.errors) {
      yield [index, failure(error)];
    }
  }

  #storedBytes(index: number): number {
    const idBytes = this.#idBytes(index);
    return 1 + lengthBytes(idBytes) + idBytes + DURABILITY_BYTES;
  }

  #idBytes(index: number): number {
    return (this.#places[index]?.idPrefix.length ?? 0) + digits(this.#offsets[index] ?? 0);
  }

  #writeStored(target: Buffer, start: number, index: number): number {
    const { idPrefix, durability } = this.#places[index] ?? NO_PLACE;
    let at = writeLength(target, start, MESSAGE_ID, this.#idBytes(index));
    target.set(idPrefix, at);
    at = writeDigits(target, at + idPrefix.length, this.#offsets[index] ?? 0);
    target[at] = DURABILITY;
    target[at + 1] = durability;
    return at + DURABILITY_BYTES;
  }
}

const NO_ERRORS: ReadonlyMap<number, HermesError> = new Map();
const NO_PLACE: StoredPlace = { idPrefix: Buffer.alloc(0), durability: Durability.UNSPECIFIED };

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
