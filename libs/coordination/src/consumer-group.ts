import { type ConsumerJoin, type ConsumerView, type LeasedGroup } from './consumer-lease-effect.js';
import { type Consumer, type ConsumerStream } from './consumer.js';
import { dealShared } from './deal-shared.js';
import { type Endpoints } from './endpoints.js';
import { ExclusivePartitions } from './exclusive-partitions.js';
import { type HeldPartition, type LeaseAssignment, leftMs } from './lease.js';

/** consumer_epoch = leadership epoch × this + a counter: it grows across leaders without a write. */
export const CONSUMER_EPOCHS_PER_LEADERSHIP = 2 ** 24;

/**
 * Leaders that metadata may be behind of. Epochs beyond theirs are not believed: no lie then leads to one that a later
 * leader would not believe either, when a broker tells of it.
 */
const LEADERS_AHEAD_MAX = 2 ** 20;

/** A group's consumers and what each of them holds. */
export class ConsumerGroup {
  readonly consumers = new Map<string, Consumer>();
  settings: LeasedGroup;
  readonly #firstEpoch: number;
  readonly #dealFromMs: number;
  /** Without partitions where they are shared. */
  #exclusive = this.#nobodys();
  #granted = 0;
  #lastEpoch: number;

  /**
   * Grants epochs above `firstEpoch`. Until `dealFromMs` EXCLUSIVE partitions go to those who held them under an earlier
   * leader, and to nobody else.
   */
  constructor(settings: LeasedGroup, firstEpoch: number, dealFromMs: number) {
    this.settings = settings;
    this.#firstEpoch = firstEpoch;
    this.#lastEpoch = firstEpoch;
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
      this.#exclusive = this.#nobodys();
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
    const consumer: Consumer = { ...seat, epoch, partitions, dirty: true, believes: from.held.length > 0 };
    this.consumers.set(name, consumer);
    for (const held of from.held) {
      this.#exclusive.adopt(consumer, held, { earlier, isFormer: this.#isFormer(held.epoch) });
    }
    if (earlier !== undefined) {
      this.#exclusive.reserveAll(earlier);
    }
    return consumer;
  }

  /** A consumer goes, and all that it held is free. False if another one has its name. */
  leave(consumer: Consumer): boolean {
    this.#exclusive.freeAll(consumer);
    return this.consumers.get(consumer.name) === consumer && this.consumers.delete(consumer.name);
  }

  /** False if the consumer does not hold exactly that. */
  release(consumer: Consumer, held: HeldPartition): boolean {
    return this.#exclusive.release(consumer, held);
  }

  /**
   * A broker knows a holder at `observed`, of whom this leader knows nothing: its metadata are older than that. What the
   * consumer holds is granted again at a higher epoch. False if it does not hold exactly that.
   */
  epochTooLow(consumer: Consumer, held: HeldPartition, observed: number): boolean {
    const { partition, epoch } = held;
    const isHeld = this.#isExclusive ? this.#exclusive.holds(consumer, held) : consumer.epoch === epoch;
    if (!isHeld || observed > this.#firstEpoch + LEADERS_AHEAD_MAX * CONSUMER_EPOCHS_PER_LEADERSHIP) {
      return false;
    }
    this.#lastEpoch = Math.max(this.#lastEpoch, observed);
    if (this.#isExclusive) {
      this.#exclusive.regrant(consumer, partition);
    } else {
      consumer.epoch = this.#nextEpoch();
      consumer.dirty = true;
    }
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
    return this.#exclusive.deal(this.consumers, nowMs);
  }

  /** All that a consumer holds. */
  assignments(consumer: Consumer, endpoints: Endpoints): LeaseAssignment[] {
    return this.#heldBy(consumer).map(({ partition, epoch }) =>
      this.#assignment(partition, epoch, endpoints.of(this.settings.topic, partition)),
    );
  }

  /** Its consumers, as GetCluster shows them. */
  views(nowMs: number): ConsumerView[] {
    const { topic, group } = this.settings;
    return [...this.consumers.values()].map((consumer) => ({
      ...{ topic, group, consumer: consumer.name, held: this.#heldBy(consumer), connected: consumer.stream.open },
      leaseLeftMs: leftMs(consumer.stream, nowMs),
    }));
  }

  /** Partitions whose owners are to be asked (again) to give them back. */
  takeRevokes(nowMs: number): { owner: Consumer; assignment: LeaseAssignment }[] {
    return this.#exclusive
      .takeRevokes(nowMs)
      .map(({ owner, partition, epoch }) => ({ owner, assignment: this.#assignment(partition, epoch, '') }));
  }

  get nextRevokeMs(): number {
    return this.#exclusive.nextRevokeMs;
  }

  #heldBy(consumer: Consumer): { partition: number; epoch: number }[] {
    return this.#isExclusive
      ? this.#exclusive.heldBy(consumer)
      : [...consumer.partitions].sort((a, b) => a - b).map((partition) => ({ partition, epoch: consumer.epoch }));
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
    if (this.#granted >= CONSUMER_EPOCHS_PER_LEADERSHIP / 2) {
      throw new RangeError(`group ${this.settings.group}: consumer epochs of this leadership are used up`);
    }
    this.#lastEpoch += 1;
    return this.#lastEpoch;
  }

  #nobodys(): ExclusivePartitions {
    return new ExclusivePartitions(() => this.#nextEpoch());
  }

  #grow(): void {
    if (this.#isExclusive) {
      this.#exclusive.grow(this.settings.partitions);
    }
  }

  #assignment(partition: number, epoch: number, endpoint: string): LeaseAssignment {
    const { topic, revision } = this.settings;
    return { topic, partition, epoch, endpoint, revision, created: true, dataSource: '' };
  }
}
