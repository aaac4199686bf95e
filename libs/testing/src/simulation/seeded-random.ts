/** A reproducible source of randomness (mulberry32). Fits runtime's `Random`. */
export class SeededRandom {
  // Typed, since a 32-bit value in a plain field would be allocated anew at each draw.
  readonly #state = new Int32Array(1);

  constructor(seed: number) {
    this.#state[0] = mix(seed);
  }

  /** Uniform in [0, 1). */
  next(): number {
    const state = ((this.#state[0] ?? 0) + 0x6d2b79f5) | 0;
    this.#state[0] = state;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Uniform in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) {
      throw new RangeError('cannot pick from an empty list');
    }
    return item;
  }

  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[] {
    const keyed = items.map((item) => ({ item, key: this.next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  }
}

/** A generator of its own for each (seed, purpose): a draw more in one place shifts no other. */
export function splitRandom(seed: number, purpose: string): SeededRandom {
  let hash = mix(seed);
  for (let i = 0; i < purpose.length; i++) {
    hash = Math.imul(hash ^ purpose.charCodeAt(i), 0x01000193);
  }
  return new SeededRandom(hash);
}

function mix(seed: number): number {
  let t = (seed ^ Math.floor(seed / 2 ** 32)) | 0;
  t = Math.imul(t ^ (t >>> 16), 0x85ebca6b);
  t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35);
  return t ^ (t >>> 16);
}
