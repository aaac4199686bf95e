import { type ResumableStream } from './resumable-stream.js';

/** One stream and what it subscribed to. */
export interface Source {
  readonly number: number;
  readonly stream: ResumableStream;
  /** partition → consumer epoch of the partitions that count as delivered by it. */
  readonly epochs: Map<number, number>;
}

/** Which stream delivers which partition: the newest one; whatever an older one still delivers of it counts for nothing. */
export class Coverage {
  readonly #byPartition = new Map<number, Source>();
  /** Streams without partitions: they end FENCED once another takes over, and give no strike until then. */
  readonly #retired = new Set<Source>();
  #paused = false;

  /** Where the partition is subscribed. */
  endpointOf(partition: number): string | undefined {
    return this.#byPartition.get(partition)?.stream.endpoint;
  }

  /** All streams that deliver partitions. */
  sources(): Set<Source> {
    return new Set(this.#byPartition.values());
  }

  /** The streams of these partitions. */
  sourcesOf(partitions: Iterable<number>): Set<Source> {
    return new Set([...partitions].flatMap((partition) => this.#byPartition.get(partition) ?? []));
  }

  /** True if none of them is subscribed. */
  hasNone(partitions: Iterable<number>): boolean {
    return [...partitions].every((partition) => !this.#byPartition.has(partition));
  }

  /** Takes a new stream in; gives the partitions that it takes from older ones. */
  add(source: Source): Set<number> {
    const moved = this.remove(source.epochs.keys());
    for (const partition of source.epochs.keys()) {
      this.#byPartition.set(partition, source);
    }
    if (this.#paused) {
      source.stream.pause();
    }
    return moved;
  }

  /** Counts these partitions as not subscribed; gives those that were. */
  remove(partitions: Iterable<number>): Set<number> {
    const removed = new Set<number>();
    for (const partition of partitions) {
      const source = this.#byPartition.get(partition);
      if (source !== undefined) {
        removed.add(partition);
        this.#byPartition.delete(partition);
        source.epochs.delete(partition);
        if (source.epochs.size === 0) {
          this.#retired.add(source);
        }
      }
    }
    return removed;
  }

  /** The stream is no more. */
  forget(source: Source): void {
    this.remove([...source.epochs.keys()]);
    this.#retired.delete(source);
  }

  pause(): void {
    this.#paused = true;
    this.#streams().forEach((stream) => {
      stream.pause();
    });
  }

  resume(): void {
    this.#paused = false;
    this.#streams().forEach((stream) => {
      stream.resume();
    });
  }

  cancel(): void {
    this.#streams().forEach((stream) => {
      stream.cancel();
    });
    this.#retired.clear();
  }

  #streams(): Set<ResumableStream> {
    return new Set([...this.#byPartition.values(), ...this.#retired].map(({ stream }) => stream));
  }
}
