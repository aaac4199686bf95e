/** Lanes that are remembered, those least recently opened forgotten first: about 100 bytes each. */
const LANES_MAX = 100_000;

/** The highest offset of each lane that this process has acknowledged: a log that ends below it has lost records. */
export class AcknowledgedOffsets {
  readonly #offsets = new Map<string, number>();

  /** -1 if nothing was acknowledged. */
  highest(table: string): number {
    return this.#offsets.get(table) ?? -1;
  }

  /** Forgets nothing until it is full: a partition that moves away may come back. */
  note(table: string, offset: number): void {
    const isNew = !this.#offsets.has(table);
    this.#offsets.set(table, Math.max(offset, this.highest(table)));
    if (isNew && this.#offsets.size > LANES_MAX) {
      const [oldest] = this.#offsets.keys();
      this.#offsets.delete(oldest as string);
    }
  }

  forget(table: string): void {
    this.#offsets.delete(table);
  }
}
