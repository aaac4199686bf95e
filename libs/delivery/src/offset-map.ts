/** Offsets of one chunk: small, for stored retries are far from each other. */
const CHUNK = 16;

interface Chunk<T> {
  readonly items: (T | undefined)[];
  count: number;
}

/**
 * Items by offset, where neighbours come and go together. A Map of every offset would do, but for what V8 keeps of each
 * table that a Map has outgrown; see Slots of `@hermes/runtime`. Here such a table holds emptied chunks alone.
 */
export class OffsetMap<T extends object> {
  readonly #chunks = new Map<number, Chunk<T>>();
  /** The chunk that was used last: mostly the next one, too. */
  #last: Chunk<T> | undefined;
  #lastNumber = -1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(offset: number): T | undefined {
    return this.#chunk(offset)?.items[offset % CHUNK];
  }

  has(offset: number): boolean {
    return this.get(offset) !== undefined;
  }

  set(offset: number, item: T): void {
    const chunk = this.#chunk(offset) ?? this.#addChunk(offset);
    if (chunk.items[offset % CHUNK] === undefined) {
      chunk.count += 1;
      this.#size += 1;
    }
    chunk.items[offset % CHUNK] = item;
  }

  delete(offset: number): void {
    const chunk = this.#chunk(offset);
    if (chunk?.items[offset % CHUNK] === undefined) {
      return;
    }
    chunk.items[offset % CHUNK] = undefined;
    chunk.count -= 1;
    this.#size -= 1;
    if (chunk.count === 0) {
      this.#chunks.delete(Math.floor(offset / CHUNK));
      this.#last = undefined;
      this.#lastNumber = -1;
    }
  }

  *values(): Generator<T> {
    for (const { items } of this.#chunks.values()) {
      for (const item of items) {
        if (item !== undefined) {
          yield item;
        }
      }
    }
  }

  #chunk(offset: number): Chunk<T> | undefined {
    const number = Math.floor(offset / CHUNK);
    if (number !== this.#lastNumber) {
      const chunk = this.#chunks.get(number);
      if (chunk === undefined) {
        return undefined;
      }
      this.#last = chunk;
      this.#lastNumber = number;
    }
    return this.#last;
  }

  #addChunk(offset: number): Chunk<T> {
    const chunk: Chunk<T> = { items: new Array<T | undefined>(CHUNK).fill(undefined), count: 0 };
    this.#lastNumber = Math.floor(offset / CHUNK);
    this.#last = chunk;
    this.#chunks.set(this.#lastNumber, chunk);
    return chunk;
  }
}
