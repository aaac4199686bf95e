/** Dead letters that are remembered. */
const PLACES_MAX = 10_000;

/** A message's place in its partition. */
interface Place {
  readonly lane: number;
  readonly offset: number;
}

/** Which messages have become dead letters lately, so that a late ACK of one is refused and not taken for a repeated one. */
export class RecentDeadLetters {
  readonly #places = new Set<string>();

  has(place: Place): boolean {
    return this.#places.size > 0 && this.#places.has(keyOf(place));
  }

  delete(place: Place): void {
    this.#places.delete(keyOf(place));
  }

  add(place: Place): void {
    const oldest = this.#places.values().next();
    if (this.#places.size >= PLACES_MAX && oldest.done !== true) {
      this.#places.delete(oldest.value);
    }
    this.#places.add(keyOf(place));
  }
}

function keyOf({ lane, offset }: Place): string {
  return `${lane}/${offset}`;
}
