import { type GroupState } from '@hermes/log';

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

  /** Begins with those that are stored: an ACK may also come late to a new owner. Rejects with StoreError. */
  async load(state: Pick<GroupState, 'deadLettersByAge'>, groupId: number, generation: number): Promise<void> {
    this.#places.clear();
    const range = { first: 'newest', diedBeforeMs: Number.MAX_SAFE_INTEGER, max: PLACES_MAX } as const;
    const newest = await state.deadLettersByAge(groupId, range);
    // What died before a seek came again after it.
    for (const place of newest.filter((one) => one.generation === generation).reverse()) {
      this.add(place);
    }
  }

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
