import { type Assignment } from '@hermes/contracts';

/** The partitions that a consumer's lease grants, by the latest word of the meta-server. */
export class Claims {
  #granted = new Map<number, Assignment>();
  /** Consumer epochs that are being given back: until that is done grants still list them. */
  readonly #revokedEpochs = new Map<number, number>();
  /** Consumer epochs at which brokers know of a newer holder: claims up to them are of no use. */
  readonly #fencedEpochs = new Map<number, number>();

  get size(): number {
    return this.#granted.size;
  }

  /** In order. */
  get partitions(): number[] {
    return [...this.#granted.keys()].sort((a, b) => a - b);
  }

  /** Takes over a grant, which is complete but for what is being given back; gives the partitions that it no longer holds. */
  replace(assignments: readonly Assignment[]): Set<number> {
    const before = this.#granted;
    const kept = assignments.filter(({ partition, epoch }) => epoch > (this.#revokedEpochs.get(partition) ?? -1));
    this.#granted = new Map(kept.map((assignment) => [assignment.partition, assignment]));
    return new Set([...before.keys()].filter((partition) => !this.#granted.has(partition)));
  }

  /** Gives up exactly this claim; false if it is not the current one. */
  revoke({ partition, epoch }: Assignment): boolean {
    if (this.#granted.get(partition)?.epoch !== epoch) {
      return false;
    }
    this.#revokedEpochs.set(partition, epoch);
    return this.#granted.delete(partition);
  }

  /** A broker knows a newer holder than this epoch. Gives the claim if it is the current one. */
  fence(partition: number, epoch: number): Assignment | undefined {
    this.#fencedEpochs.set(partition, Math.max(epoch, this.#fencedEpochs.get(partition) ?? 0));
    const claim = this.#granted.get(partition);
    return claim?.epoch === epoch ? claim : undefined;
  }

  /** The claims with which one may subscribe. */
  *usable(): Iterable<Assignment> {
    for (const claim of this.#granted.values()) {
      if (claim.epoch > (this.#fencedEpochs.get(claim.partition) ?? -1)) {
        yield claim;
      }
    }
  }
}
