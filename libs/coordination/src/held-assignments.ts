import { type HeldPartition, type LeaseAssignment, partitionKey } from './lease.js';

/** What a message changed. */
export interface LeaseChange {
  /** New, or held at another epoch until now (and then in `closed` too). */
  readonly opened: readonly LeaseAssignment[];
  /** No longer held: to be closed at once, nothing may be done for it any more. */
  readonly closed: readonly LeaseAssignment[];
  /** Held on at the same epoch, told otherwise: revision, endpoint, created. */
  readonly updated: readonly LeaseAssignment[];
  /** The lease has ended: `closed` is all that was held. The holder registers on a new stream. */
  readonly expired: boolean;
}

export const UNCHANGED: LeaseChange = { opened: [], closed: [], updated: [], expired: false };

/** The assignments of one holder, by partition. */
export class HeldAssignments {
  #held = new Map<string, LeaseAssignment>();
  /** Released epochs per partition: a grant that crossed the release on its way must not bring it back. */
  #released = new Map<string, number>();

  get size(): number {
    return this.#held.size;
  }

  /** All that is held, complete with what is being given back. */
  get all(): LeaseAssignment[] {
    return [...this.#held.values()];
  }

  find(topic: string, partition: number): LeaseAssignment | undefined {
    return this.#held.get(partitionKey(topic, partition));
  }

  /** Whether exactly this epoch is held. */
  holds({ topic, partition, epoch }: HeldPartition): boolean {
    return this.find(topic, partition)?.epoch === epoch;
  }

  /** A new stream begins: what comes on it was said after the releases, and crosses none. */
  begin(): void {
    this.#released.clear();
  }

  /** Takes over a complete list. */
  replace(assignments: readonly LeaseAssignment[]): LeaseChange {
    const before = this.#held;
    const opened: LeaseAssignment[] = [];
    const updated: LeaseAssignment[] = [];
    this.#held = new Map();
    const crossed = new Map<string, number>();
    for (const assignment of assignments) {
      const released = this.#released.get(keyOf(assignment)) ?? -1;
      if (assignment.epoch > released) {
        this.#held.set(keyOf(assignment), assignment);
      } else {
        crossed.set(keyOf(assignment), released);
      }
    }
    // A list without a partition was made after its release: no later one on this stream crosses that.
    this.#released = crossed;
    for (const assignment of this.#held.values()) {
      const old = before.get(keyOf(assignment));
      if (old?.epoch !== assignment.epoch) {
        opened.push(assignment);
        continue;
      }
      before.delete(keyOf(assignment));
      if (!equal(old, assignment)) {
        updated.push(assignment);
      }
    }
    return { opened, closed: [...before.values()], updated, expired: false };
  }

  /** Drops one partition; false if that epoch is not held. */
  release(released: HeldPartition): boolean {
    if (!this.holds(released)) {
      return false;
    }
    this.#released.set(keyOf(released), released.epoch);
    return this.#held.delete(keyOf(released));
  }

  /** Drops what is not among `owned` at the same epoch. */
  retain(owned: readonly HeldPartition[]): LeaseAssignment[] {
    const epochs = new Map(owned.map((one) => [keyOf(one), one.epoch]));
    const closed = this.all.filter((one) => epochs.get(keyOf(one)) !== one.epoch);
    closed.forEach((one) => this.#held.delete(keyOf(one)));
    return closed;
  }

  /** Drops all. */
  clear(): LeaseAssignment[] {
    const closed = this.all;
    this.#held.clear();
    return closed;
  }
}

function keyOf({ topic, partition }: HeldPartition): string {
  return partitionKey(topic, partition);
}

function equal(a: LeaseAssignment, b: LeaseAssignment): boolean {
  return (
    a.revision === b.revision && a.endpoint === b.endpoint && a.created === b.created && a.dataSource === b.dataSource
  );
}
