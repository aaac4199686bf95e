import { parseMessageId } from '@hermes/contracts';

/** When messages were acknowledged, or delivered, by partition: how long each was not served, as its callers saw it. */
export class AckTimes {
  readonly #times = new Map<number, number[]>();

  /** A message was acknowledged, or delivered, just now. */
  note(id: string): void {
    const partition = parseMessageId(id)?.partition;
    if (partition !== undefined) {
      const times = this.#times.get(partition) ?? [];
      this.#times.set(partition, times);
      times.push(performance.now());
    }
  }

  /** Whether there was something of every one of `partitions` after `sinceMs` (performance.now). */
  allServed(partitions: readonly number[], sinceMs: number): boolean {
    return partitions.every((partition) => (this.#times.get(partition)?.at(-1) ?? 0) > sinceMs);
  }

  /** The longest time in ms between two of them in any one of `partitions` since shortly before `sinceMs`. */
  longestPauseMs(partitions: readonly number[], sinceMs: number): number {
    const pauses = partitions.map((partition) => {
      const times = this.#times.get(partition) ?? [];
      const first = Math.max(
        1,
        times.findIndex((time) => time >= sinceMs),
      );
      return Math.max(0, ...times.slice(first).map((time, nth) => time - (times[first + nth - 1] ?? time)));
    });
    return Math.max(0, ...pauses);
  }
}
