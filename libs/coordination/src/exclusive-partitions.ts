import { assign } from './assign.js';
import { type Consumer } from './consumer.js';
import { type HeldPartition } from './lease.js';
import { Revocations } from './revocations.js';

/** A partition of an EXCLUSIVE group. */
interface ExclusivePartition {
  readonly partition: number;
  owner: Consumer | undefined;
  /** The owner's consumer_epoch, or the last owner's; 0: none known to this leader. */
  epoch: number;
  /** Until then it goes to nobody but consumers of this name: one on an older stream may not know yet that it lost it. */
  reserved: { readonly name: string; readonly untilMs: number } | undefined;
}

/** Who holds the partitions of an EXCLUSIVE group: each goes to one consumer, and to the next one only once it is free. */
export class ExclusivePartitions {
  readonly #partitions: ExclusivePartition[] = [];
  readonly #revocations = new Revocations<ExclusivePartition>();
  readonly #nextEpoch: () => number;

  /** `nextEpoch` gives a consumer_epoch that nobody has had. */
  constructor(nextEpoch: () => number) {
    this.#nextEpoch = nextEpoch;
  }

  /** When an owner is asked again; Infinity: none is. */
  get nextRevokeMs(): number {
    return this.#revocations.nextMs;
  }

  grow(count: number): void {
    for (let partition = this.#partitions.length; partition < count; partition += 1) {
      this.#partitions.push({ partition, owner: undefined, epoch: 0, reserved: undefined });
    }
  }

  heldBy(consumer: Consumer): { partition: number; epoch: number }[] {
    const held = this.#partitions.filter(({ owner }) => owner === consumer);
    return held.map(({ partition, epoch }) => ({ partition, epoch }));
  }

  /** Whether the consumer holds exactly that; it is free then. */
  release(consumer: Consumer, { partition, epoch }: HeldPartition): boolean {
    const held = this.#partitions[partition];
    if (held?.owner !== consumer || held.epoch !== epoch) {
      return false;
    }
    this.#free(held);
    return true;
  }

  holds(consumer: Consumer, { partition, epoch }: HeldPartition): boolean {
    const held = this.#partitions[partition];
    return held?.owner === consumer && held.epoch === epoch;
  }

  /** Gives what the consumer holds to it again, at another epoch. */
  regrant(consumer: Consumer, partition: number): void {
    const held = this.#partitions[partition];
    if (held?.owner === consumer) {
      this.#grant(held, consumer);
    }
  }

  freeAll(consumer: Consumer): void {
    for (const held of this.#partitions) {
      if (held.owner === consumer) {
        this.#free(held);
      }
    }
  }

  /** Frees what a consumer held for others of its name alone: until its lease ends it may believe that it holds it. */
  reserveAll(consumer: Consumer): void {
    const { name, stream } = consumer;
    for (const held of this.#partitions) {
      if (held.owner === consumer) {
        held.reserved = { name, untilMs: stream.untilMs };
        this.#free(held);
      }
    }
  }

  /**
   * Lets a consumer keep what it held on its earlier stream, or (`isFormer`) under an earlier leader if nobody claims
   * it with more.
   */
  adopt(
    consumer: Consumer,
    { partition, epoch }: HeldPartition,
    from: { readonly earlier: Consumer | undefined; readonly isFormer: boolean },
  ): void {
    const held = this.#partitions[partition];
    if (held === undefined) {
      return;
    }
    const kept = from.earlier !== undefined && held.owner === from.earlier && held.epoch === epoch;
    const brought = from.isFormer && epoch > held.epoch;
    if (kept || brought) {
      if (held.owner !== undefined) {
        held.owner.dirty = true;
      }
      held.owner = consumer;
      held.epoch = epoch;
    }
  }

  /** Decides who gets what. Gives the time of the next look that is due by time alone. */
  deal(consumers: ReadonlyMap<string, Consumer>, nowMs: number): number {
    // Whose stream has ended keeps its partitions until its lease ends.
    const dealt = this.#partitions.filter(({ owner }) => owner?.stream.open !== false);
    const names = choose(dealt, consumers, nowMs);
    let againMs = Number.POSITIVE_INFINITY;
    dealt.forEach((held, index) => {
      const target = consumers.get(names[index] ?? '');
      const reserved = reservedAt(held, nowMs);
      if (held.owner !== undefined) {
        if (held.owner !== target) {
          this.#revocations.begin(held, nowMs);
        }
      } else if (target !== undefined && (reserved === undefined || reserved.name === target.name)) {
        this.#grant(held, target);
      } else if (reserved !== undefined) {
        againMs = Math.min(againMs, reserved.untilMs);
      }
    });
    return againMs;
  }

  /** What owners are to be asked (again) to give back. */
  takeRevokes(nowMs: number): { owner: Consumer; partition: number; epoch: number }[] {
    return this.#revocations
      .takeDue(nowMs)
      .flatMap(({ owner, partition, epoch }) => (owner === undefined ? [] : [{ owner, partition, epoch }]));
  }

  #grant(held: ExclusivePartition, consumer: Consumer): void {
    held.owner = consumer;
    held.epoch = this.#nextEpoch();
    consumer.dirty = true;
    this.#revocations.end(held);
  }

  #free(held: ExclusivePartition): void {
    if (held.owner !== undefined) {
      held.owner.dirty = true;
    }
    held.owner = undefined;
    this.#revocations.end(held);
  }
}

/** The best holder of each partition, by name. */
function choose(
  dealt: readonly ExclusivePartition[],
  consumers: ReadonlyMap<string, Consumer>,
  nowMs: number,
): (string | undefined)[] {
  const present = [...consumers.values()].filter((consumer) => consumer.stream.open);
  const holders = present.map(({ name, maxPartitions }) => {
    const itemsMax = maxPartitions > 0 ? maxPartitions : Number.POSITIVE_INFINITY;
    return { name, group: '', zone: '', host: name, weight: 1, itemsMax, dataDirectory: '', accepting: true };
  });
  const items = dealt.map((held) => {
    const holder = held.owner?.name ?? reservedAt(held, nowMs)?.name ?? '';
    return { topic: '', partition: held.partition, group: '', dataDirectory: '', holder };
  });
  return assign(holders, items);
}

function reservedAt({ reserved }: ExclusivePartition, nowMs: number): ExclusivePartition['reserved'] {
  return (reserved?.untilMs ?? nowMs) > nowMs ? reserved : undefined;
}
