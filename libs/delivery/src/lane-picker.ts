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

  /** The lane to take one message from, among those that have one; undefined if none has. Changes nothing. */
  pick(isWaiting: (lane: number) => boolean): number | undefined {
    if (this.#deficits.length === 1) {
      return isWaiting(0) ? 0 : undefined;
    }
    let urgent: number | undefined;
    for (let lane = this.#deficits.length - 1; lane >= 0; lane -= 1) {
      if (isWaiting(lane)) {
        if ((this.#deficits[lane] ?? 0) > 0) {
          return lane;
        }
        urgent ??= lane;
      }
    }
    return urgent;
  }

  /** A message of this picked lane was taken. A lane without a share left begins a new round. */
  spend(lane: number): void {
    if ((this.#deficits[lane] ?? 0) <= 0) {
      this.#deficits.forEach((_, each) => {
        this.#deficits[each] = 2 ** each;
      });
    }
    this.#deficits[lane] = (this.#deficits[lane] ?? 0) - 1;
  }
}
