import { HermesError } from '@hermes/contracts';
import {
  type GroupChange,
  GroupDispatcher,
  type GroupSnapshot,
  type LaneCounts,
  type Now,
  type RetryEntry,
  type SealedChanges,
  type SettleOutcome,
  type SettleRequest,
} from '@hermes/delivery';
import { type StoreError } from '@hermes/log';
import { Serial } from '@hermes/runtime';
import { type GroupSettings } from '../catalog/settings.js';
import { storeFailure } from '../rpc/store-failure.js';
import { GroupFeed } from './group-feed.js';
import { type GroupMember } from './group-member.js';
import { GroupMembers, type JoinRequest } from './group-members.js';
import { GroupReader } from './group-reader.js';
import { Inheritance } from './inheritance.js';
import { OrderSender } from './order-sender.js';
import { type Partition } from './partition.js';
import { type PartitionServices } from './partition-services.js';
import { RecentDeadLetters } from './recent-dead-letters.js';
import { type ChangeSource } from './settle-pump.js';
import { WakeTimer } from './wake-timer.js';

/** Pause after the store failed to give records. */
const READ_RETRY_MS = 200;

/** Numbers are 32 bits wide. */
const FIRST_DELIVERY_MAX = 2 ** 30;
/** Retries whose records one transaction copies: these may be large. */
const COPIES_MAX = 64;

const STALE: SettleOutcome = { kind: 'stale' };

/**
 * One group in one owned partition: turns appends, credit, commits and timers into calls of its GroupDispatcher, and
 * what that gives into frames. Woken by events, never polling; one small step at a time.
 */
export class GroupPump implements ChangeSource {
  readonly #partition: Partition;
  readonly #services: PartitionServices;
  readonly #members: GroupMembers;
  readonly #reader: GroupReader;
  /** These go together: another one when the group is moved. */
  #dispatcher!: GroupDispatcher;
  #feed!: GroupFeed;
  #sender!: OrderSender;
  #inheritance = new Inheritance([], () => 0);
  #generation = 0;
  readonly #timer: WakeTimer;
  readonly #dead = new RecentDeadLetters();
  /** Moves of the group and of its dead letters: one at a time. */
  readonly serial = new Serial();
  #settings: GroupSettings;
  #taken: SealedChanges | undefined;
  /** Begins anywhere: no receipt of an earlier owner should have the number that the same message gets here. */
  #deliveries: number;
  #scheduled = false;
  /** While the group is being moved nothing is delivered and no receipt counts. */
  #suspended = false;
  #stopped = false;

  constructor(partition: Partition, settings: GroupSettings, snapshot: GroupSnapshot, services: PartitionServices) {
    this.#partition = partition;
    this.#settings = settings;
    this.#services = services;
    this.#deliveries = Math.floor(services.random.next() * FIRST_DELIVERY_MAX);
    const wake = (): void => {
      this.wake();
    };
    this.#timer = new WakeTimer(services.clock, services.timers, wake);
    this.#members = new GroupMembers(partition, () => this.now(), wake);
    this.#reader = new GroupReader(partition, settings.id, services, {
      loaded: wake,
      failed: (error) => {
        this.#readFailed(error);
      },
    });
    this.#begin(snapshot);
  }

  /** False while the group is being moved, and after it has stopped. */
  get isRunning(): boolean {
    return !this.#suspended && !this.#stopped;
  }

  /** Grows with each seek: older receipts are void. */
  get generation(): number {
    return this.#generation;
  }

  get settings(): GroupSettings {
    return this.#settings;
  }

  get gauges(): GroupDispatcher['gauges'] {
    return this.#dispatcher.gauges;
  }

  /** Passes over what is no message at the end of the log, then lets time begin. Rejects with StoreError. */
  async start(): Promise<void> {
    const read = async (): Promise<void> => {
      await this.#feed.inherit(this.now());
      await this.#feed.passFences();
    };
    await Promise.all([read(), this.#dead.load(this.#partition.groupState, this.#settings.id, this.#generation)]);
    this.#armTimer();
  }

  update(settings: GroupSettings): void {
    this.#settings = settings;
    this.#feed.settings = settings;
    this.#dispatcher.configure(settings);
    this.wake();
  }

  /**
   * Adds a stream; the newer one of a consumer takes the partition from its older one. Throws FENCED if the claim is
   * the older one. In EXCLUSIVE groups nothing is delivered before the claim is durable: see `settles`.
   */
  join(request: JoinRequest): GroupMember {
    if (!this.isRunning) {
      // Found before it stopped: a stream that came now would wait for ever.
      throw new HermesError('PARTITION_MOVING', `partition ${this.#partition.number} is moving`);
    }
    const member = this.#members.join(this.#settings, request);
    if (!request.isPull) {
      this.#inheritance.handOn(this.#dispatcher, member, request.resume);
      this.wake();
    }
    return member;
  }

  /** What a stream has of the group, if it takes part with this epoch. */
  member(subscriptionId: number, consumerEpoch: number): GroupMember | undefined {
    const member = this.#members.get(subscriptionId);
    return member?.consumerEpoch === consumerEpoch ? member : undefined;
  }

  /** The time by both clocks. */
  now(): Now {
    return { monotonicMs: this.#services.clock.monotonicMs(), storeMs: this.#partition.timeMs() };
  }

  /** Settles one delivery whose receipt is genuine. `pending`: durable once the partition's pump has written. */
  settle(request: SettleRequest, now: Now): SettleOutcome {
    if (this.#suspended) {
      return STALE;
    }
    const outcome = this.#dispatcher.settle(request, now);
    return outcome.kind === 'settledBefore' && this.#dead.has(request) ? STALE : outcome;
  }

  /** Delivers nothing more, for the group is about to be moved; what was decided can still be written. */
  suspend(): void {
    this.#suspended = true;
    this.#timer.stop();
    this.#dispatcher.close();
  }

  /** Goes on with what is stored, for the same streams: what they hold is void. Rejects with StoreError. */
  async resume(snapshot: GroupSnapshot): Promise<void> {
    if (this.#stopped) {
      return;
    }
    this.#begin({ ...snapshot, inFlight: [] });
    this.#suspended = false;
    await this.start();
    // An EXCLUSIVE holder is stored anew.
    void this.#partition.settles.write(this);
    this.wake();
  }

  /** True if nothing of the message is left here. */
  isOver(lane: number, offset: number): boolean {
    return this.#dispatcher.isOver(lane, offset);
  }

  /** Messages that were dead letters are stored as retries now. */
  redriven(retries: readonly RetryEntry[]): void {
    for (const retry of retries) {
      this.#dead.delete(retry);
      this.#dispatcher.redrive(retry);
    }
    this.wake();
  }

  /** Something has changed: looks soon what can be delivered. */
  wake(): void {
    if (!this.#scheduled && !this.#stopped) {
      this.#scheduled = true;
      this.#services.turns.soon(() => {
        this.#step();
      });
    }
  }

  /** Ends every stream's part in it. */
  stop(reason: HermesError): void {
    this.#stopped = true;
    this.#timer.stop();
    this.#inheritance.stop();
    // First: the streams that go on with other partitions may use at once what they held here.
    this.#dispatcher.close();
    this.#members.leave(reason);
  }

  /** What is in flight, to be stored for the next owner; undefined if nothing is. To be called just before `stop`. */
  handOver(): GroupChange | undefined {
    const held = this.#inheritance.handOver(this.#dispatcher.holdings(this.now()), this.#members);
    return held.length === 0 ? undefined : { kind: 'inFlight', groupId: this.#settings.id, held };
  }

  takeChanges(): SealedChanges | undefined {
    this.#taken = this.#dispatcher.takeChanges(this.now());
    return this.#taken;
  }

  committed(ticket: number): void {
    if (this.#taken !== undefined) {
      this.#services.counters.committed(this.#taken);
      for (const change of this.#taken.changes) {
        if (change.kind === 'deadLetter') {
          this.#dead.add(change.entry);
        }
      }
    }
    this.#taken = undefined;
    this.#dispatcher.committed(ticket);
    this.wake();
  }

  counts(): LaneCounts[] {
    return this.#dispatcher.counts(this.#ends());
  }

  holders(): ReturnType<GroupDispatcher['holders']> {
    return this.#dispatcher.holders();
  }

  lowestUnsettled(lane: number): number | undefined {
    const log = this.#partition.lanes[lane]?.log;
    return log === undefined ? undefined : this.#dispatcher.lowestUnsettled(lane, log.nextOffset);
  }

  /** Below this offset the group needs nothing of a lane's log any more; undefined: it needs none of it. */
  lowestNeeded(lane: number): number | undefined {
    const log = this.#partition.lanes[lane]?.log;
    return log === undefined ? undefined : this.#dispatcher.lowestNeeded(lane, log.nextOffset);
  }

  /**
   * Gives up what is not settled below an offset of a lane; what waits for another attempt keeps a copy of its record and
   * goes on. Durable when it resolves to how many messages were given up. Rejects with StoreError or HermesError.
   */
  async skip(lane: number, below: number): Promise<number> {
    const { id: groupId } = this.#settings;
    // What becomes a retry meanwhile keeps the log as it is, until the next call.
    const needed = this.#dispatcher.recordsNeeded(lane, below);
    for (let at = 0; at < needed.length && this.isRunning; at += COPIES_MAX) {
      const offsets = needed.slice(at, at + COPIES_MAX);
      const [from, to] = [Math.min(...offsets), Math.max(...offsets) + 1];
      await this.#partition.commit([{ kind: 'keepRecords', groupId, lane, from, to }]);
      this.#dispatcher.recordsKept(lane, offsets);
    }
    const skipped = this.isRunning ? this.#dispatcher.skip(lane, below) : 0;
    const failure = skipped === 0 ? undefined : await this.#partition.settles.write(this);
    if (failure !== undefined) {
      throw failure;
    }
    return skipped;
  }

  #begin(snapshot: GroupSnapshot): void {
    const { settings } = this;
    const { random, inFlight, logger, counters, timers, nextSubscriptionId } = this.#services;
    this.#generation = snapshot.generation;
    this.#inheritance.stop();
    this.#inheritance = new Inheritance(snapshot.inFlight, nextSubscriptionId);
    this.#deliveries = Math.max(this.#deliveries, this.#inheritance.lastDeliveryNo);
    this.#dispatcher = new GroupDispatcher({
      mode: settings.mode,
      settings,
      snapshot,
      redeliveredBelow: this.#ends(),
      handedOver: { subscriptions: this.#inheritance.handedOver, now: this.now() },
      nextDeliveryNo: () => {
        this.#deliveries += 1;
        return this.#deliveries;
      },
      random,
      inFlight: inFlight.share(() => {
        this.wake();
      }),
    });
    this.#inheritance.expire(this.#dispatcher, timers, () => {
      this.wake();
    });
    this.#feed = new GroupFeed(this.#partition, this.#dispatcher, this.#reader, settings);
    const onExpired = (messages: number): void => {
      counters.expired(messages);
    };
    this.#feed.onExpired = onExpired;
    const onLost = (lane: number, messages: number): void => {
      counters.skipped(messages);
      logger.error(
        { group: settings.name, lane, messages },
        'the store has dropped messages that a group had not settled',
      );
    };
    this.#feed.onLost = onLost;
    this.#sender = new OrderSender(this.#dispatcher, this.#members, this.#reader, {
      ...{ timeMs: () => this.#partition.timeMs(), onExpired, onLost },
    });
    this.#members.bind(this.#dispatcher, settings, snapshot.generation);
  }

  #step(): void {
    this.#scheduled = false;
    if (this.#stopped || this.#suspended || this.#reader.isLoading || !this.#partition.isServing) {
      return;
    }
    if (this.#members.size === 0) {
      this.#idle();
      return;
    }
    const fed = this.#feed.feed(this.now());
    if (this.#dispatcher.hasDrifted) {
      void this.#partition.settles.write(this);
    }
    if (fed === 'reading') {
      return;
    }
    this.#members.reopen();
    const orders = this.#dispatcher.dispatch(this.now());
    if (orders.length > 0) {
      this.#services.counters.delivered(orders);
      this.#sender.send(orders);
    }
    if (fed === 'fed' || orders.length > 0) {
      this.wake();
    } else {
      // Time may have failed deliveries, or a full window parked some: that is to be written.
      void this.#partition.settles.write(this);
    }
    this.#armTimer();
  }

  /** Without a subscriber only time passes: what is in flight and overdue is given back. */
  #idle(): void {
    this.#reader.clear();
    this.#dispatcher.tick(this.now());
    void this.#partition.settles.write(this);
    this.#armTimer();
  }

  #readFailed(error: StoreError): void {
    if (this.#stopped || error.kind === 'closed') {
      return;
    }
    if (error.kind === 'outOfRange') {
      // The store has dropped it meanwhile: the next turn passes over it.
      this.wake();
      return;
    }
    this.#services.logger.error(
      { topic: this.#partition.topic.settings.name, partition: this.#partition.number, err: error },
      'records could not be read for a group',
    );
    const failure = storeFailure(error);
    if (error.kind === 'recordCorrupt' && failure instanceof HermesError) {
      this.#members.end(failure);
      return;
    }
    this.#timer.within(READ_RETRY_MS);
  }

  #armTimer(): void {
    const waitMs = this.#dispatcher.nextTimerMs(this.now());
    if (waitMs !== undefined) {
      this.#timer.within(waitMs);
    }
  }

  #ends(): number[] {
    return this.#partition.lanes.map(({ log }) => log.nextOffset);
  }
}
