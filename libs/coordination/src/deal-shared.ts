/** Consumers that one partition serves before they are spread: beyond it a consumer gets only some of the partitions. */
export const CONSUMERS_PER_PARTITION = 64;

/** A consumer of a group whose partitions everyone shares. */
export interface SharingConsumer {
  readonly name: string;
  /** Partitions that it may hold; 0 = any number. */
  readonly maxPartitions: number;
  /** What it has now; kept as far as the spread allows. */
  readonly partitions: ReadonlySet<number>;
}

/**
 * Deals partitions that many consumers share: everyone gets all, up to its own bound; beyond 64 consumers everyone gets
 * an equal part, at least one, and partitions have equally many consumers. Few change when one comes or goes.
 */
export function dealShared(consumers: readonly SharingConsumer[], partitions: number): Map<string, Set<number>> {
  const share = Math.max(1, Math.floor((CONSUMERS_PER_PARTITION * partitions) / Math.max(1, consumers.length)));
  const ordered = [...consumers].sort((a, b) => (a.name < b.name ? -1 : 1));
  const cover = new Cover(partitions);
  for (const { name, partitions: held } of ordered) {
    cover.keep(name, held);
  }
  for (const { name, maxPartitions } of ordered) {
    cover.resize(name, Math.min(partitions, share, maxPartitions > 0 ? maxPartitions : partitions));
  }
  cover.balance();
  return cover.held;
}

/** Which consumers each partition has. */
class Cover {
  readonly held = new Map<string, Set<number>>();
  readonly #consumers: Set<string>[];

  constructor(partitions: number) {
    this.#consumers = Array.from({ length: partitions }, () => new Set());
  }

  keep(name: string, partitions: ReadonlySet<number>): void {
    this.held.set(name, new Set());
    for (const partition of partitions) {
      if (partition < this.#consumers.length) {
        this.#add(name, partition);
      }
    }
  }

  /** Gives the least covered, or takes the most covered, until the consumer has `size`. */
  resize(name: string, size: number): void {
    const held = this.held.get(name) ?? new Set();
    while (held.size > size) {
      this.#remove(name, this.#extreme([...held], 1));
    }
    const all = this.#consumers.map((_, partition) => partition);
    while (held.size < size) {
      this.#add(
        name,
        this.#extreme(
          all.filter((partition) => !held.has(partition)),
          -1,
        ),
      );
    }
  }

  /** Moves consumers until partitions differ by one at most. */
  balance(): void {
    const all = this.#consumers.map((_, partition) => partition);
    for (;;) {
      const [most, least] = [this.#extreme(all, 1), this.#extreme(all, -1)];
      const name = [...this.#at(most)].find((consumer) => !this.#at(least).has(consumer));
      if (name === undefined || this.#at(most).size - this.#at(least).size < 2) {
        return;
      }
      this.#remove(name, most);
      this.#add(name, least);
    }
  }

  /** Of some partitions the one with most (`sign` 1) or least (-1) consumers, the lowest of several. */
  #extreme(partitions: readonly number[], sign: 1 | -1): number {
    return partitions.reduce(
      (best, one) => (sign * (this.#at(one).size - this.#at(best).size) > 0 ? one : best),
      partitions[0] ?? 0,
    );
  }

  #at(partition: number): Set<string> {
    return this.#consumers[partition] ?? new Set();
  }

  #add(name: string, partition: number): void {
    this.held.get(name)?.add(partition);
    this.#at(partition).add(name);
  }

  #remove(name: string, partition: number): void {
    this.held.get(name)?.delete(partition);
    this.#at(partition).delete(name);
  }
}
