/** A holder of an EXCLUSIVE partition. */
export interface Holder {
  readonly consumerEpoch: number;
  /** Guards the consumers' own writes: each new owner and each new holder raises it. */
  readonly token: number;
}

/**
 * Who holds an EXCLUSIVE partition. A claim is stored before it counts; from the moment it is made, lower epochs are
 * refused.
 */
export class Holdership {
  #stored: Holder;
  /** True once this owner has raised the token. */
  #isOurs = false;
  #claim: Holder | undefined;
  /** The claim that is being stored. */
  #sealed: Holder | undefined;

  /** What storage holds; zeros if there was no holder yet. */
  constructor(consumerEpoch: number, token: number) {
    this.#stored = { consumerEpoch, token };
  }

  /** The one that is stored. */
  get stored(): Holder {
    return this.#stored;
  }

  /** Epochs below are refused. */
  get highestEpoch(): number {
    return this.#newest.consumerEpoch;
  }

  get hasClaim(): boolean {
    return this.#claim !== undefined;
  }

  /** Claims the partition for an epoch that is not refused. True if it holds it already: nothing is to be stored. */
  claim(consumerEpoch: number): boolean {
    const newest = this.#newest;
    if (newest.consumerEpoch === consumerEpoch && (newest !== this.#stored || this.#isOurs)) {
      return newest === this.#stored;
    }
    this.#claim = { consumerEpoch, token: newest.token + 1 };
    return false;
  }

  /** Takes the claim for a transaction; undefined without one. */
  seal(): Holder | undefined {
    this.#sealed = this.#claim;
    this.#claim = undefined;
    return this.#sealed;
  }

  /** What was sealed is stored; gives it, undefined if there was nothing. */
  committed(): Holder | undefined {
    const holder = this.#sealed;
    this.#sealed = undefined;
    if (holder !== undefined) {
      this.#stored = holder;
      this.#isOurs = true;
    }
    return holder;
  }

  get #newest(): Holder {
    return this.#claim ?? this.#sealed ?? this.#stored;
  }
}
