import { type AckTimes } from './ack-times.js';

/** How long partitions paused when they moved, by who noticed it: publishers and consumers. */
export class MovePauses {
  readonly #seen: readonly { readonly name: string; readonly times: AckTimes; readonly pausesMs: number[] }[];

  constructor(seen: Readonly<Record<string, AckTimes>>) {
    this.#seen = Object.entries(seen).map(([name, times]) => ({ name, times, pausesMs: [] }));
  }

  /** Notes the longest pause of each partition since then (performance.now). */
  note(partitions: readonly number[], sinceMs: number): void {
    for (const { times, pausesMs } of this.#seen) {
      pausesMs.push(...partitions.map((partition) => times.longestPauseMs([partition], sinceMs)));
    }
  }

  toString(): string {
    const told = this.#seen.map(({ name, pausesMs }) => {
      const sorted = [...pausesMs].sort((a, b) => a - b).map((ms) => ms.toFixed(0));
      return `${name} ${sorted[Math.floor(sorted.length / 2)] ?? '-'} ms, at most ${sorted.at(-1) ?? '-'} ms`;
    });
    return `${told.join('; ')} (median of ${this.#seen[0]?.pausesMs.length ?? 0})`;
  }
}
