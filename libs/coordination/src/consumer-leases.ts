import { type Consumer, ConsumerGroup, type ConsumerStream } from './consumer-group.js';
import { type ConsumerJoin, type ConsumerLeaseEffect, type LeasedGroup } from './consumer-lease-effect.js';
import {
  CLOSE_REASON,
  type CloseReason,
  COALESCE_MS,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  partitionKey,
  REVOKE_GRACE_MS,
  type SessionId,
  SETTLE_MS,
  type TopicRoutes,
} from './lease.js';

/** What a leader starts from. */
export interface ConsumerLeasesOptions {
  /** Grows with each leader (embedded metadata: with each start): consumer epochs start above all earlier ones. */
  readonly leadershipEpoch: number;
  /** Groups that exist at the start: their former holders get a second to come back. Later ones: `groupUpserted`. */
  readonly groups?: readonly LeasedGroup[];
  /** Monotonic time of the start. */
  readonly nowMs: number;
  readonly ttlMs?: number;
  readonly marginMs?: number;
}

/**
 * The leader's side of consumer leases: which consumer of a group may subscribe to which partition, at which
 * consumer_epoch. Leases live in memory; brokers judge by epoch. Each call returns what the shell does, in order.
 */
export class ConsumerLeases {
  readonly #leadershipEpoch: number;
  readonly #ttlMs: number;
  readonly #marginMs: number;
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #streams = new Map<SessionId, ConsumerStream>();
  readonly #endpoints = new Map<string, string>();
  #effects: ConsumerLeaseEffect[] = [];
  #flushAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ConsumerLeasesOptions) {
    this.#leadershipEpoch = options.leadershipEpoch;
    this.#ttlMs = options.ttlMs ?? LEASE_TTL_DEFAULT_MS;
    this.#marginMs = options.marginMs ?? LEASE_MARGIN_MS;
    for (const group of options.groups ?? []) {
      this.#add(group, options.nowMs + SETTLE_MS);
    }
  }

  /** A group was made or changed, or its topic was. */
  groupUpserted(group: LeasedGroup, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const known = this.#groups.get(groupKey(group.topic, group.group));
    if (known === undefined) {
      this.#add(group, nowMs);
    } else {
      known.update(group);
      this.#changed(nowMs);
    }
    return this.#take(nowMs);
  }

  /** A group was deleted: its consumers hold nothing any more. */
  groupDeleted(topic: string, group: string, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const known = this.#groups.get(groupKey(topic, group));
    this.#groups.delete(groupKey(topic, group));
    for (const consumer of known?.consumers.values() ?? []) {
      this.#dismiss(consumer.stream, consumer.member, CLOSE_REASON.unknownGroup);
    }
    return this.#take(nowMs);
  }

  /** A topic was deleted, and all its groups with it. */
  topicDeleted(topic: string, nowMs: number): ConsumerLeaseEffect[] {
    const groups = [...this.#groups.values()].map(({ settings }) => settings);
    return groups
      .filter((group) => group.topic === topic)
      .flatMap(({ group }) => this.groupDeleted(topic, group, nowMs));
  }

  /** Owners changed: consumers are told where their partitions are. */
  routesChanged(changed: readonly TopicRoutes[], nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    for (const { topic, routes } of changed) {
      for (const { partition, endpoint } of routes) {
        this.#endpoints.set(partitionKey(topic, partition), endpoint);
      }
      for (const group of this.#groups.values()) {
        if (group.settings.topic === topic) {
          group.tellAll();
        }
      }
      this.#changed(nowMs);
    }
    return this.#take(nowMs);
  }

  /** A consumer comes. The earlier one of its name in the group ends FENCED; what `held` does not name is given up. */
  join(session: SessionId, from: ConsumerJoin, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#stream(session, nowMs);
    const seated = stream.members.get(from.member);
    if (seated !== undefined) {
      this.#remove(seated);
    }
    const group = this.#groups.get(groupKey(from.topic, from.group));
    if (group === undefined) {
      this.#dismiss(stream, from.member, CLOSE_REASON.unknownGroup);
      return this.#take(nowMs);
    }
    const earlier = group.consumers.get(from.consumer);
    stream.members.set(from.member, group.join(stream, from));
    if (earlier !== undefined) {
      this.#dismiss(earlier.stream, earlier.member, CLOSE_REASON.fenced);
    }
    this.#changed(nowMs);
    return this.#take(nowMs);
  }

  /** A consumer goes, and gives back all that it held. */
  leave(session: SessionId, member: number, nowMs: number): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      const consumer = stream.members.get(member);
      if (consumer !== undefined) {
        this.#remove(consumer);
        this.#changed(nowMs);
      }
    });
  }

  /** Prolongs the leases of all consumers of the stream. */
  heartbeat(session: SessionId, sequence: number, nowMs: number): ConsumerLeaseEffect[] {
    return this.#heard(session, nowMs, (stream) => {
      stream.untilMs = nowMs + this.#ttlMs + this.#marginMs;
      if ([...stream.members.values()].some((consumer) => consumer.dirty)) {
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
        this.#changed(nowMs);
      }
    });
  }

  /** The stream is gone: its consumers keep their partitions until their leases end, or they join again. */
  sessionEnded(session: SessionId, nowMs: number): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#streams.get(session);
    if (stream !== undefined) {
      stream.open = false;
      this.#drop(stream);
      this.#changed(nowMs);
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
    let nextMs = this.#flushAtMs;
    for (const { untilMs } of this.#streams.values()) {
      nextMs = Math.min(nextMs, untilMs);
    }
    for (const group of this.#groups.values()) {
      nextMs = Math.min(nextMs, group.nextRevokeMs());
    }
    return nextMs;
  }

  /** Number of consumers that hold leases in a group; 0 also if there is no such group. */
  consumerCount(topic: string, group: string): number {
    return this.#groups.get(groupKey(topic, group))?.consumers.size ?? 0;
  }

  #add(settings: LeasedGroup, dealFromMs: number): void {
    const group = new ConsumerGroup(settings, this.#leadershipEpoch, dealFromMs);
    this.#groups.set(groupKey(settings.topic, settings.group), group);
  }

  #stream(session: SessionId, nowMs: number): ConsumerStream {
    const untilMs = nowMs + this.#ttlMs + this.#marginMs;
    const stream = this.#streams.get(session) ?? { session, open: true, untilMs, members: new Map<number, Consumer>() };
    this.#streams.set(session, stream);
    return stream;
  }

  #heard(session: SessionId, nowMs: number, act: (stream: ConsumerStream) => void): ConsumerLeaseEffect[] {
    this.#expire(nowMs);
    const stream = this.#streams.get(session);
    if (stream?.open !== true) {
      return [{ kind: 'close', session, reason: CLOSE_REASON.notRegistered }];
    }
    act(stream);
    return this.#take(nowMs);
  }

  #expire(nowMs: number): void {
    for (const stream of this.#streams.values()) {
      if (stream.untilMs > nowMs) {
        continue;
      }
      for (const consumer of [...stream.members.values()]) {
        this.#remove(consumer);
      }
      this.#close(stream, CLOSE_REASON.expired);
      this.#changed(nowMs);
    }
  }

  /** Ends a consumer's membership: with the stream if it was its only consumer, else by an empty grant. */
  #dismiss(stream: ConsumerStream, member: number, reason: CloseReason): void {
    stream.members.delete(member);
    if (stream.members.size === 0) {
      this.#close(stream, reason);
    } else if (stream.open) {
      this.#grant(stream.session, { member, sequence: 0, changed: true, assignments: [] });
    }
  }

  #remove(consumer: Consumer): void {
    consumer.stream.members.delete(consumer.member);
    consumer.group.leave(consumer);
    this.#drop(consumer.stream);
  }

  #close(stream: ConsumerStream, reason: CloseReason): void {
    this.#streams.delete(stream.session);
    if (stream.open) {
      stream.open = false;
      this.#effects.push({ kind: 'close', session: stream.session, reason });
    }
  }

  /** Forgets a stream that has ended and holds nothing. */
  #drop(stream: ConsumerStream): void {
    if (!stream.open && stream.members.size === 0) {
      this.#streams.delete(stream.session);
    }
  }

  #changed(nowMs: number): void {
    this.#flushAtMs = Math.min(this.#flushAtMs, nowMs + COALESCE_MS);
  }

  #take(nowMs: number): ConsumerLeaseEffect[] {
    if (this.#flushAtMs <= nowMs || this.nextTimerMs() <= nowMs) {
      this.#flush(nowMs);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #flush(nowMs: number): void {
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    for (const group of this.#groups.values()) {
      this.#flushAtMs = Math.min(
        this.#flushAtMs,
        group.consumers.size > 0 ? group.deal(nowMs) : Number.POSITIVE_INFINITY,
      );
      for (const consumer of group.consumers.values()) {
        this.#tell(consumer);
      }
      for (const { owner, assignment } of group.takeRevokes(nowMs, REVOKE_GRACE_MS)) {
        const { stream, member } = owner;
        if (stream.open) {
          const { session } = stream;
          this.#effects.push({ kind: 'revoke', session, member, assignment, graceMs: REVOKE_GRACE_MS });
        }
      }
    }
  }

  #tell(consumer: Consumer): void {
    const { stream, member } = consumer;
    if (consumer.dirty && stream.open) {
      const endpointOf = (topic: string, partition: number): string =>
        this.#endpoints.get(partitionKey(topic, partition)) ?? '';
      const assignments = consumer.group.assignments(consumer, endpointOf);
      this.#grant(stream.session, { member, sequence: 0, changed: true, assignments });
      consumer.dirty = false;
    }
  }

  #grant(
    session: SessionId,
    grant: Pick<Extract<ConsumerLeaseEffect, { kind: 'grant' }>, 'member' | 'sequence' | 'changed' | 'assignments'>,
  ): void {
    this.#effects.push({ kind: 'grant', session, ttlMs: this.#ttlMs, ...grant });
  }
}

function groupKey(topic: string, group: string): string {
  return `${topic}/${group}`;
}
