import { assign } from './assign.js';
import { type ConsumerJoin, type LeasedGroup } from './consumer-lease-effect.js';
import { dealShared } from './deal-shared.js';
import { type HeldPartition, type LeaseAssignment, type SessionId } from './lease.js';

/** One stream of consumers and its lease. */
export interface ConsumerStream {
  readonly session: SessionId;
  /** False once it has ended; its consumers stay until `untilMs`. */
  open: boolean;
  untilMs: number;
  readonly members: Map<number, Consumer>;
}

/** One consumer of one group. */
export interface Consumer {
  readonly name: string;
  readonly group: ConsumerGroup;
  readonly stream: ConsumerStream;
  readonly member: number;
  readonly zone: string;
  readonly maxPartitions: number;
  /** Its consumer_epoch where partitions are shared; 0 in EXCLUSIVE groups. */
  epoch: number;
  /** What it has where partitions are shared. */
  partitions: Set<number>;
  /** Its assignments changed since it was told. */
  dirty: boolean;
}

/** A partition of an EXCLUSIVE group. */
interface ExclusivePartition {
  owner: Consumer | undefined;
  /** The owner's consumer_epoch, or the last owner's; 0: none known to this leader. */
  epoch: number;
  /** When the owner is asked again to give it back; Infinity: it may keep it. */
  revokeAtMs: number;
  /** Until then it goes to nobody but consumers of this name: one on an older stream may not know yet that it lost it. */
  reserved: { readonly name: string; readonly untilMs: number } | undefined;
}

/** consumer_epoch = leadership epoch × this + a counter: it grows across leaders without a write. */
export const CONSUMER_EPOCHS_PER_LEADERSHIP = 2 ** 24;

/** A group's consumers and what each of them holds. */
export class ConsumerGroup {
  readonly consumers = new Map<string, Consumer>();
  settings: LeasedGroup;
  readonly #firstEpoch: number;
  readonly #dealFromMs: number;
  #exclusive: ExclusivePartition[] = [];
  #granted = 0;

  /** Until `dealFromMs` EXCLUSIVE partitions go to those who held them under an earlier leader, and to nobody else. */
  constructor(settings: LeasedGroup, leadershipEpoch: number, dealFromMs: number) {
    this.settings = settings;
    this.#firstEpoch = leadershipEpoch * CONSUMER_EPOCHS_PER_LEADERSHIP;
    this.#dealFromMs = dealFromMs;
    this.#grow();
  }

  get #isExclusive(): boolean {
    return this.settings.mode === 'EXCLUSIVE';
  }

  /** Takes over changed settings and tells everybody. Another mode takes everything back first. */
  update(settings: LeasedGroup): void {
    const turned = settings.mode !== this.settings.mode;
    this.settings = settings;
    if (turned) {
      this.#exclusive = [];
      for (const consumer of this.consumers.values()) {
        consumer.partitions = new Set();
        consumer.epoch = this.#isExclusive ? 0 : this.#nextEpoch();
      }
    }
    this.#grow();
    this.tellAll();
  }

  tellAll(): void {
    for (const consumer of this.consumers.values()) {
      consumer.dirty = true;
    }
  }

  /** A consumer comes, in the place of an earlier one of its name: it keeps what it names as held and that one had. */
  join(stream: ConsumerStream, from: ConsumerJoin): Consumer {
    const { consumer: name, member, zone, maxPartitions } = from;
    const earlier = this.consumers.get(name);
    const partitions = new Set(from.held.map((held) => held.partition));
    const epoch = this.#isExclusive ? 0 : this.#sharedEpoch(earlier, from.held);
    const seat = { name, group: this, stream, member, zone, maxPartitions };
    const consumer: Consumer = { ...seat, epoch, partitions, dirty: true };
    this.consumers.set(name, consumer);
    for (const held of from.held) {
      this.#adopt(consumer, earlier, held);
    }
    if (earlier !== undefined) {
      this.#reserveAll(earlier);
      this.#freeAll(earlier);
    }
    return consumer;
  }

  /** A consumer goes, and all that it held is free. */
  leave(consumer: Consumer): void {
    if (this.consumers.get(consumer.name) === consumer) {
      this.consumers.delete(consumer.name);
    }
    this.#freeAll(consumer);
  }

  /** False if the consumer does not hold exactly that. */
  release(consumer: Consumer, { partition, epoch }: HeldPartition): boolean {
    const held = this.#exclusive[partition];
    if (held?.owner !== consumer || held.epoch !== epoch) {
      return false;
    }
    this.#free(held);
    return true;
  }

  /** Decides who gets what. Gives the time of the next look that is due by time alone. */
  deal(nowMs: number): number {
    if (!this.#isExclusive) {
      this.#dealShared();
      return Number.POSITIVE_INFINITY;
    }
    if (nowMs < this.#dealFromMs) {
      return this.#dealFromMs;
    }
    return this.#dealExclusive(nowMs);
  }

  /** All that a consumer holds. */
  assignments(consumer: Consumer, endpointOf: (topic: string, partition: number) => string): LeaseAssignment[] {
    const held = this.#isExclusive
      ? this.#exclusive.flatMap(({ owner, epoch }, partition) => (owner === consumer ? [{ partition, epoch }] : []))
      : [...consumer.partitions].sort((a, b) => a - b).map((partition) => ({ partition, epoch: consumer.epoch }));
    return held.map(({ partition, epoch }) => this.#assignment(partition, epoch, endpointOf));
  }

  /** Partitions whose owners are to be asked (again) to give them back; each is asked again after `graceMs`. */
  takeRevokes(nowMs: number, graceMs: number): { owner: Consumer; assignment: LeaseAssignment }[] {
    return this.#exclusive.flatMap((held, partition) => {
      const { owner, epoch } = held;
      if (owner === undefined || held.revokeAtMs > nowMs) {
        return [];
      }
      held.revokeAtMs = nowMs + graceMs;
      return [{ owner, assignment: this.#assignment(partition, epoch, () => '') }];
    });
  }

  nextRevokeMs(): number {
    return this.#exclusive.reduce((least, { revokeAtMs }) => Math.min(least, revokeAtMs), Number.POSITIVE_INFINITY);
  }

  #dealShared(): void {
    const dealt = dealShared([...this.consumers.values()], this.settings.partitions);
    for (const consumer of this.consumers.values()) {
      const partitions = dealt.get(consumer.name) ?? new Set();
      const { size } = consumer.partitions;
      consumer.dirty ||= partitions.size !== size || [...partitions].some((one) => !consumer.partitions.has(one));
      consumer.partitions = partitions;
    }
  }

  #dealExclusive(nowMs: number): number {
    // Whose stream has ended keeps its partitions until its lease ends.
    const dealt = this.#exclusive.filter(({ owner }) => owner?.stream.open !== false);
    const names = this.#choose(dealt, nowMs);
    let againMs = Number.POSITIVE_INFINITY;
    dealt.forEach((held, index) => {
      const target = this.consumers.get(names[index] ?? '');
      const reserved = reservedAt(held, nowMs);
      const allowed = reserved === undefined || reserved.name === target?.name;
      if (held.owner !== undefined) {
        const stays = held.owner === target || held.revokeAtMs < Number.POSITIVE_INFINITY;
        held.revokeAtMs = stays ? held.revokeAtMs : nowMs;
      } else if (target !== undefined && allowed) {
        this.#grant(held, target);
      } else if (reserved !== undefined) {
        againMs = Math.min(againMs, reserved.untilMs);
      }
    });
    return againMs;
  }

  /** The best holder of each partition, by name. */
  #choose(dealt: readonly ExclusivePartition[], nowMs: number): (string | undefined)[] {
    const present = [...this.consumers.values()].filter((consumer) => consumer.stream.open);
    const holders = present.map(({ name, maxPartitions }) => {
      const itemsMax = maxPartitions > 0 ? maxPartitions : Number.POSITIVE_INFINITY;
      return { name, group: '', host: name, itemsMax, dataDirectory: '', accepting: true };
    });
    const items = dealt.map((held) => {
      const holder = held.owner?.name ?? reservedAt(held, nowMs)?.name ?? '';
      return { topic: '', partition: this.#exclusive.indexOf(held), group: '', dataDirectory: '', holder };
    });
    return assign(holders, items);
  }

  #grant(held: ExclusivePartition, consumer: Consumer): void {
    held.owner = consumer;
    held.epoch = this.#nextEpoch();
    held.revokeAtMs = Number.POSITIVE_INFINITY;
    consumer.dirty = true;
  }

  /** Lets a consumer keep what it held on its earlier stream, or under an earlier leader if nobody claims it with more. */
  #adopt(consumer: Consumer, earlier: Consumer | undefined, claim: HeldPartition): void {
    const held = this.#exclusive[claim.partition];
    if (held === undefined) {
      return;
    }
    const kept = earlier !== undefined && held.owner === earlier && held.epoch === claim.epoch;
    const brought = this.#isFormer(claim.epoch) && claim.epoch > held.epoch;
    if (kept || brought) {
      if (held.owner !== undefined) {
        held.owner.dirty = true;
      }
      held.owner = consumer;
      held.epoch = claim.epoch;
    }
  }

  #sharedEpoch(earlier: Consumer | undefined, held: readonly HeldPartition[]): number {
    const claimed = held.reduce((most, { epoch }) => Math.max(most, epoch), 0);
    const kept = earlier === undefined ? this.#isFormer(claimed) : earlier.epoch === claimed;
    return kept ? claimed : this.#nextEpoch();
  }

  #isFormer(epoch: number): boolean {
    return epoch > 0 && epoch < this.#firstEpoch;
  }

  #nextEpoch(): number {
    this.#granted += 1;
    if (this.#granted >= CONSUMER_EPOCHS_PER_LEADERSHIP) {
      throw new RangeError(`group ${this.settings.group}: consumer epochs of this leadership are used up`);
    }
    return this.#firstEpoch + this.#granted;
  }

  #reserveAll({ name, stream }: Consumer): void {
    for (const held of this.#exclusive) {
      if (held.owner?.name === name && held.owner.stream === stream) {
        held.reserved = { name, untilMs: stream.untilMs };
      }
    }
  }

  #freeAll(consumer: Consumer): void {
    for (const held of this.#exclusive) {
      if (held.owner === consumer) {
        this.#free(held);
      }
    }
  }

  #free(held: ExclusivePartition): void {
    if (held.owner !== undefined) {
      held.owner.dirty = true;
    }
    held.owner = undefined;
    held.revokeAtMs = Number.POSITIVE_INFINITY;
  }

  #grow(): void {
    while (this.#isExclusive && this.#exclusive.length < this.settings.partitions) {
      this.#exclusive.push({ owner: undefined, epoch: 0, revokeAtMs: Number.POSITIVE_INFINITY, reserved: undefined });
    }
  }

  #assignment(
    partition: number,
    epoch: number,
    endpointOf: (topic: string, partition: number) => string,
  ): LeaseAssignment {
    const { topic, revision } = this.settings;
    return { topic, partition, epoch, endpoint: endpointOf(topic, partition), revision, created: true, dataSource: '' };
  }
}

function reservedAt({ reserved }: ExclusivePartition, nowMs: number): ExclusivePartition['reserved'] {
  return (reserved?.untilMs ?? nowMs) > nowMs ? reserved : undefined;
}
