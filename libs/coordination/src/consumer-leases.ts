import { CONSUMER_EPOCHS_PER_LEADERSHIP, ConsumerGroup } from './consumer-group.js';
import { ConsumerGroups } from './consumer-groups.js';
import {
  type ConsumerJoin,
  type ConsumerLeaseEffect,
  type ConsumerView,
  type LeasedGroup,
} from './consumer-lease-effect.js';
import { ConsumerStreams } from './consumer-streams.js';
import { type Consumer, type ConsumerStream } from './consumer.js';
import { Endpoints } from './endpoints.js';
import {
  CLOSE_REASON,
  type CloseReason,
  COALESCE_MS,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  REVOKE_GRACE_MS,
  type SessionId,
  SETTLE_MS,
  type TopicRoutes,
} from './lease.js';

/** What a leader starts from. */
export interface ConsumerLeasesOptions {
  /** Grows with each leader (embedded metadata: with each start): consumer epochs start above all earlier ones. */
  readonly leadershipEpoch: number;
  /**
   * Where the counter of this leader's consumer epochs starts, 0 to 1: random, so that a leader whose metadata were
   * restored, and whose own epoch comes a second time, does not grant the very epochs that another consumer has.
   */
  readonly start?: number;
  /** Groups that exist at the start: their former holders get a second to come back. Later ones: `groupUpserted`. */
  readonly groups?: readonly LeasedGroup[];
  /** Monotonic time of the start. */
  readonly nowMs: number;
  readonly ttlMs?: number;
  readonly marginMs?: number;
}

/** Consumers of all groups: what they cost a leader in memory, and at each deal, must end somewhere. */
export const CONSUMERS_MAX = 100_000;

/**
 * The leader's side of consumer leases: which consumer of a group may subscribe to which partition, at which
 * consumer_epoch. Leases live in memory; brokers judge by epoch. Each call returns what the shell does, in order.
 */
export class ConsumerLeases {
  readonly #firstEpoch: number;
  readonly #ttlMs: number;
  readonly #groups = new ConsumerGroups();
  readonly #streams: ConsumerStreams;
  readonly #endpoints = new Endpoints();
  #effects: ConsumerLeaseEffect[] = [];
  #flushAtMs = Number.POSITIVE_INFINITY;
  #consumers = 0;

  constructor(options: ConsumerLeasesOptions) {
    const start = Math.floor((options.start ?? 0) * (CONSUMER_EPOCHS_PER_LEADERSHIP / 2));
    this.#firstEpoch = options.leadershipEpoch * CONSUMER_EPOCHS_PER_LEADERSHIP + start;
    this.#ttlMs = options.ttlMs ?? LEASE_TTL_DEFAULT_MS;
    this.#streams = new ConsumerStreams(this.#ttlMs + (options.marginMs ?? LEASE_MARGIN_MS));
    for (const group of options.groups ?? []) {
      this.#add(group, options.nowMs + SETTLE_MS);
    }
  }

  /** A group was made or changed, or its topic was. */
  groupUpserted(group: LeasedGroup, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const known = this.#groups.find(group.topic, group.group);
    if (known === undefined) {
      this.#add(group, nowMs);
    } else {
      known.update(group);
      this.#changed(known, nowMs);
    }
    return this.#take(nowMs);
  }

  /** A group was deleted: its consumers hold nothing any more. */
  groupDeleted(topic: string, group: string, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const known = this.#groups.find(topic, group);
    if (known !== undefined) {
      this.#groups.delete(known);
      this.#consumers -= known.consumers.size;
      for (const consumer of known.consumers.values()) {
        this.#dismiss(consumer.stream, consumer.member, CLOSE_REASON.unknownGroup);
      }
    }
    return this.#take(nowMs);
  }

  /** A topic was deleted, and all its groups with it. */
  topicDeleted(topic: string, nowMs: number): ConsumerLeaseEffect[] {
    return this.#groups.of(topic).flatMap(({ settings }) => this.groupDeleted(topic, settings.group, nowMs));
  }

  /** Owners changed: consumers are told where their partitions are. */
  routesChanged(changed: readonly TopicRoutes[], nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    for (const routes of changed) {
      this.#endpoints.apply(routes);
      for (const group of this.#groups.of(routes.topic)) {
        group.tellAll();
        this.#changed(group, nowMs);
      }
    }
    return this.#take(nowMs);
  }

  /** A consumer comes. The earlier one of its name in the group ends FENCED; what `held` does not name is given up. */
  join(session: SessionId, from: ConsumerJoin, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#streams.begin(session, nowMs);
    const seated = stream.members.get(from.member);
    if (seated !== undefined) {
      this.#remove(seated, nowMs);
    }
    const group = this.#groups.find(from.topic, from.group);
    if (group === undefined) {
      this.#dismiss(stream, from.member, CLOSE_REASON.unknownGroup);
      return this.#take(nowMs);
    }
    const earlier = group.consumers.get(from.consumer);
    if (earlier === undefined && this.#consumers >= CONSUMERS_MAX) {
      this.#dismiss(stream, from.member, CLOSE_REASON.tooMany);
      return this.#take(nowMs);
    }
    this.#consumers += Number(earlier === undefined);
    stream.members.set(from.member, group.join(stream, from));
    if (earlier !== undefined) {
      this.#dismiss(earlier.stream, earlier.member, CLOSE_REASON.fenced);
    }
    this.#changed(group, nowMs);
    return this.#take(nowMs);
  }

  /** A consumer goes, and gives back all that it held. */
  leave(session: SessionId, member: number, nowMs: number): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      const consumer = stream.members.get(member);
      if (consumer !== undefined) {
        this.#remove(consumer, nowMs);
      }
    });
  }

  /** Prolongs the leases of all consumers of the stream. */
  heartbeat(session: SessionId, sequence: number, nowMs: number): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      this.#streams.prolong(stream, nowMs);
      if (mayBeDeprived(stream)) {
        // What was taken from a consumer must reach it before anything is prolonged.
        this.#flush(nowMs);
      }
      this.#grant(session, { member: 0, sequence, changed: false, assignments: [] });
    });
  }

  /** A consumer gave a partition back; another epoch than the current one is past and changes nothing. */
  released(session: SessionId, member: number, held: HeldPartition, nowMs: number): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      const consumer = stream.members.get(member);
      if (consumer?.group.settings.topic === held.topic && consumer.group.release(consumer, held)) {
        this.#changed(consumer.group, nowMs);
      }
    });
  }

  /** A broker has refused what a consumer holds, for it knows a later holder, at `observed`. */
  epochTooLow(
    session: SessionId,
    { member, held, observed }: { readonly member: number; readonly held: HeldPartition; readonly observed: number },
    nowMs: number,
  ): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      const consumer = stream.members.get(member);
      if (consumer?.group.settings.topic === held.topic && consumer.group.epochTooLow(consumer, held, observed)) {
        this.#changed(consumer.group, nowMs);
      }
    });
  }

  /** The stream is gone: its consumers keep their partitions until their leases end, or they join again. */
  sessionEnded(session: SessionId, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#streams.find(session);
    if (stream !== undefined) {
      stream.open = false;
      this.#streams.forgetIfIdle(stream);
      for (const { group } of stream.members.values()) {
        this.#changed(group, nowMs);
      }
    }
    return this.#take(nowMs);
  }

  /** Lets time do its work; call it at `nextTimerMs`. */
  tick(nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    return this.#take(nowMs);
  }

  /** When `tick` is due next; Infinity: not before another event. */
  nextTimerMs(): number {
    return Math.min(this.#dealAtMs(), this.#streams.nextExpiryMs);
  }

  /** Number of consumers that hold leases in a group; 0 also if there is no such group. */
  consumerCount(topic: string, group: string): number {
    return this.#groups.find(topic, group)?.consumers.size ?? 0;
  }

  /** All consumers that hold leases, in no order. */
  consumers(nowMs: number): ConsumerView[] {
    return [...this.#groups.all()].flatMap((group) => group.views(nowMs));
  }

  #add(settings: LeasedGroup, dealFromMs: number): void {
    this.#groups.add(new ConsumerGroup(settings, this.#firstEpoch, dealFromMs));
  }

  #heard(session: SessionId, nowMs: number, act: (stream: ConsumerStream) => void): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#streams.find(session);
    if (stream?.open !== true) {
      return [{ kind: 'close', session, reason: CLOSE_REASON.notRegistered }];
    }
    act(stream);
    return this.#take(nowMs);
  }

  #expire(nowMs: number): void {
    for (const stream of this.#streams.expired(nowMs)) {
      for (const consumer of [...stream.members.values()]) {
        this.#remove(consumer, nowMs);
      }
      this.#close(stream, CLOSE_REASON.expired);
    }
  }

  /** Ends a consumer's membership: with the stream if it was its only consumer, else by an empty grant. */
  #dismiss(stream: ConsumerStream, member: number, reason: CloseReason): void {
    stream.members.delete(member);
    if (stream.members.size === 0) {
      this.#close(stream, reason, member);
    } else if (stream.open) {
      this.#grant(stream.session, { member, sequence: 0, changed: true, assignments: [] });
    }
  }

  #remove(consumer: Consumer, nowMs: number): void {
    consumer.stream.members.delete(consumer.member);
    this.#consumers -= Number(consumer.group.leave(consumer));
    this.#streams.forgetIfIdle(consumer.stream);
    this.#changed(consumer.group, nowMs);
  }

  #close(stream: ConsumerStream, reason: CloseReason, member?: number): void {
    this.#streams.forget(stream);
    if (stream.open) {
      stream.open = false;
      const { session } = stream;
      this.#effects.push({ kind: 'close', session, reason, ...(member === undefined ? {} : { member }) });
    }
  }

  /** The group is to be dealt anew, soon. */
  #changed(group: ConsumerGroup, nowMs: number): void {
    this.#groups.touch(group);
    this.#flushAtMs = Math.min(this.#flushAtMs, nowMs + COALESCE_MS);
  }

  #dealAtMs(): number {
    return Math.min(this.#flushAtMs, this.#groups.nextDueMs());
  }

  #take(nowMs: number): ConsumerLeaseEffect[] {
    if (this.#dealAtMs() <= nowMs) {
      this.#flush(nowMs);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Deals the groups that changed or are due, and tells their consumers. */
  #flush(nowMs: number): void {
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    for (const group of this.#groups.takeDue(nowMs)) {
      const againMs = group.consumers.size > 0 ? group.deal(nowMs) : Number.POSITIVE_INFINITY;
      for (const consumer of group.consumers.values()) {
        this.#tell(consumer);
      }
      this.#revoke(group, nowMs);
      this.#groups.setDue(group, Math.min(againMs, group.nextRevokeMs));
    }
  }

  #tell(consumer: Consumer): void {
    const { stream, member, group } = consumer;
    if (consumer.dirty && stream.open) {
      const assignments = group.assignments(consumer, this.#endpoints);
      this.#grant(stream.session, { member, sequence: 0, changed: true, assignments });
      consumer.dirty = false;
      consumer.believes = assignments.length > 0;
    }
  }

  #revoke(group: ConsumerGroup, nowMs: number): void {
    for (const { owner, assignment } of group.takeRevokes(nowMs)) {
      const { session, open } = owner.stream;
      if (open) {
        this.#effects.push({ kind: 'revoke', session, member: owner.member, assignment, graceMs: REVOKE_GRACE_MS });
      }
    }
  }

  #grant(
    session: SessionId,
    grant: Pick<Extract<ConsumerLeaseEffect, { kind: 'grant' }>, 'member' | 'sequence' | 'changed' | 'assignments'>,
  ): void {
    this.#effects.push({ kind: 'grant', session, ttlMs: this.#ttlMs, ...grant });
  }
}

/** Whether a consumer may believe that it holds what is not its own any more. */
function mayBeDeprived(stream: ConsumerStream): boolean {
  for (const { dirty, believes } of stream.members.values()) {
    if (dirty && believes) {
      return true;
    }
  }
  return false;
}
