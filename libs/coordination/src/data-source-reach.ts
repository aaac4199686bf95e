/** Which data sources a broker reaches, by what it has told, and since when it is so. */
export class DataSourceReach {
  readonly #told = new Map<string, { readonly lost: boolean; readonly sinceMs: number }>();

  /** The broker tells all those that it does not reach. True if that is other than before. */
  note(lost: ReadonlySet<string>, nowMs: number): boolean {
    const changed = [...new Set([...lost, ...this.#told.keys()])].filter(
      (name) => this.isLost(name) !== lost.has(name),
    );
    for (const name of changed) {
      this.#told.set(name, { lost: lost.has(name), sinceMs: nowMs });
    }
    return changed.length > 0;
  }

  get lost(): string[] {
    return [...this.#told.keys()].filter((name) => this.isLost(name));
  }

  isLost(name: string): boolean {
    return this.#told.get(name)?.lost === true;
  }

  /** Since when it is reached, or is not; -Infinity: it has always been reached. */
  sinceMs(name: string): number {
    return this.#told.get(name)?.sinceMs ?? Number.NEGATIVE_INFINITY;
  }
}
