import { type LeaseAssignment, type PartitionRef } from '@hermes/coordination';
import { PartitionSlot } from './partition-slot.js';

/** The granted partitions, and the ends of those that were: what is granted anew begins when nothing of it runs any more. */
export class PartitionSlots implements Iterable<PartitionSlot> {
  readonly #topics = new Map<string, Map<number, PartitionSlot>>();
  readonly #ending = new Map<string, Promise<void>>();

  find(topic: string, partition: number): PartitionSlot | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  /** The slot that holds exactly this epoch. */
  held({ topic, partition, epoch }: LeaseAssignment): PartitionSlot | undefined {
    const slot = this.find(topic, partition);
    return slot?.assignment.epoch === epoch ? slot : undefined;
  }

  hasTopic(topic: string): boolean {
    return this.#topics.has(topic);
  }

  *[Symbol.iterator](): Iterator<PartitionSlot> {
    for (const partitions of this.#topics.values()) {
      yield* partitions.values();
    }
  }

  /** Resolves once all that were closed until now have ended. */
  async allEnded(): Promise<void> {
    await Promise.all(this.#ending.values());
  }

  /** A new slot; its steps wait until the one before it has ended. */
  add(assignment: LeaseAssignment): PartitionSlot {
    const slot = new PartitionSlot(assignment);
    const before = this.#ending.get(keyOf(assignment));
    if (before !== undefined) {
      void slot.then(() => before);
    }
    const { topic, partition } = assignment;
    const partitions = this.#topics.get(topic) ?? new Map<number, PartitionSlot>();
    this.#topics.set(topic, partitions.set(partition, slot));
    return slot;
  }

  /** Closes a slot and takes it out. Resolves once nothing of it runs any more. */
  end(slot: PartitionSlot): Promise<void> {
    const { topic, partition } = slot.assignment;
    const partitions = this.#topics.get(topic);
    if (partitions?.get(partition) === slot) {
      partitions.delete(partition);
      if (partitions.size === 0) {
        this.#topics.delete(topic);
      }
    }
    const key = keyOf(slot.assignment);
    const ending = slot.close().finally(() => {
      if (this.#ending.get(key) === ending) {
        this.#ending.delete(key);
      }
    });
    this.#ending.set(key, ending);
    return ending;
  }
}

/** Topic names hold no slash. */
function keyOf({ topic, partition }: PartitionRef): string {
  return `${topic}/${partition}`;
}
