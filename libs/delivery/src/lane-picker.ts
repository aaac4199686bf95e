/**
 * Weighted deficit round robin over lanes: a lane of twice the number has twice the weight, so what is urgent goes
 * first and nothing starves. Within a window of the sum of all weights each waiting lane gets its share.
 * After Shreedhar and Varghese, "Efficient Fair Queuing Using Deficit Round Robin" (1995), with messages for bytes.
 */
export class LanePicker {
  readonly #deficits: number[];

  constructor(lanes: number) {
    this.#deficits = Array.from({ length: lanes }, (_, lane) => 2 ** lane);
  }

  /** The lane to take one message from, among those that have one; undefined if none has. */
  pick(isWaiting: (lane: number) => boolean): number | undefined {
    if (this.#deficits.length === 1) {
      return isWaiting(0) ? 0 : undefined;
    }
    return this.#pickWithDeficit(isWaiting) ?? this.#newRound(isWaiting);
  }

  #pickWithDeficit(isWaiting: (lane: number) => boolean): number | undefined {
    for (let lane = this.#deficits.length - 1; lane >= 0; lane -= 1) {
      const deficit = this.#deficits[lane] ?? 0;
      if (deficit > 0 && isWaiting(lane)) {
        this.#deficits[lane] = deficit - 1;
        return lane;
      }
    }
    return undefined;
  }

  #newRound(isWaiting: (lane: number) => boolean): number | undefined {
    this.#deficits.forEach((_, lane) => {
      this.#deficits[lane] = 2 ** lane;
    });
    return this.#pickWithDeficit(isWaiting);
  }
}
