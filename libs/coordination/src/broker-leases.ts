import { dealPartitions } from './deal-partitions.js';
import {
  type BrokerLeaseEffect,
  type BrokerRegistration,
  type BrokerView,
  type LeasedTopic,
  type PartitionView,
  type PersistedAssignment,
  type PersistedBroker,
} from './broker-lease-effect.js';
import { type BrokerLease } from './broker-lease.js';
import { BrokerRegistry } from './broker-registry.js';
import {
  CLOSE_REASON,
  COALESCE_MS,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  REVOKE_GRACE_MS,
  type SessionId,
  SETTLE_MS,
  type TopicRoutes,
} from './lease.js';
import { type LeasedPartition, PartitionTable, viewOf } from './partition-table.js';

/** What a leader starts from. */
export interface BrokerLeasesOptions {
  readonly topics: readonly LeasedTopic[];
  readonly assignments: readonly PersistedAssignment[];
  readonly brokers?: readonly PersistedBroker[];
  /** Monotonic time of the start: leases of before may last until then + TTL + margin. */
  readonly nowMs: number;
  readonly ttlMs?: number;
  /** TTL that earlier leaders granted, if that was longer. */
  readonly formerTtlMs?: number;
  readonly marginMs?: number;
}

/**
 * The leader's side of broker leases: who holds which partition, at which epoch, until when. Each call takes an event
 * and the monotonic time, and returns what the shell does (see BrokerLeaseEffect for the order that it must keep).
 */
export class BrokerLeases {
  readonly #table: PartitionTable;
  readonly #registry: BrokerRegistry;
  readonly #ttlMs: number;
  readonly #marginMs: number;
  readonly #revoking = new Set<LeasedPartition>();
  readonly #placeFromMs: number;
  #effects: BrokerLeaseEffect[] = [];
  #flushAtMs = Number.POSITIVE_INFINITY;
  #probes = 0;

  constructor(options: BrokerLeasesOptions) {
    const { topics, assignments, brokers = [], nowMs, ttlMs = LEASE_TTL_DEFAULT_MS } = options;
    this.#ttlMs = ttlMs;
    this.#marginMs = options.marginMs ?? LEASE_MARGIN_MS;
    this.#table = new PartitionTable(topics, assignments);
    this.#registry = new BrokerRegistry(brokers, nowMs);
    const formerMs = Math.max(ttlMs, options.formerTtlMs ?? 0) + this.#marginMs;
    for (const partition of this.#table.all()) {
      if (partition.broker !== '') {
        partition.owner = this.#registry.formerOwner(partition, { nowMs, untilMs: nowMs + formerMs });
      }
    }
    // Brokers of before get the time to come back; else the first one back would get all that is new.
    this.#placeFromMs = this.#registry.leases.size > 0 ? nowMs + SETTLE_MS : nowMs;
    this.#changed(nowMs);
  }

  /** A broker process opens its stream, or opens it again. What it does not name as held counts as released. */
  register(session: SessionId, from: BrokerRegistration, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    if (this.#registry.hasEnded(from)) {
      return this.#refuse(session, CLOSE_REASON.fenced);
    }
    for (const other of this.#registry.endedBy(from)) {
      this.#end(other, CLOSE_REASON.fenced, nowMs);
    }
    if (this.#registry.isTaken(from)) {
      return this.#refuse(session, CLOSE_REASON.nameInUse);
    }
    const { lease, replaced } = this.#registry.register(session, from);
    if (replaced !== undefined) {
      this.#emit({ kind: 'close', session: replaced, reason: CLOSE_REASON.replaced });
    }
    this.#reconcile(lease, from.held, nowMs);
    lease.untilMs = Math.max(lease.untilMs, this.#leaseEnd(nowMs));
    lease.dirty = true;
    this.#changed(nowMs);
    return this.#take(nowMs);
  }

  /** Prolongs all leases of the broker and answers with its sequence. */
  heartbeat(session: SessionId, sequence: number, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      lease.untilMs = this.#leaseEnd(nowMs);
      if (lease.dirty) {
        // What was taken from the holder must reach it before anything is prolonged.
        this.#flush(nowMs);
      }
      this.#emit({ kind: 'grant', session, sequence, ttlMs: this.#ttlMs, changed: false, assignments: [] });
    });
  }

  /** The broker gave a partition back; another epoch than the current one is past and changes nothing. */
  released(session: SessionId, held: HeldPartition, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      const partition = this.#table.held(lease, held);
      if (partition !== undefined) {
        this.#free(partition);
        this.#changed(nowMs);
      }
    });
  }

  /** The broker's process stops: it gets nothing any more, and what can move is moved. */
  draining(session: SessionId, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      lease.draining = true;
      this.#changed(nowMs);
    });
  }

  /** The broker found a newer epoch in storage: it is granted again, above that one. */
  epochTooLow(session: SessionId, held: HeldPartition, observed: number, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      const partition = this.#table.held(lease, held);
      if (partition !== undefined && Number.isSafeInteger(observed + 1)) {
        partition.epoch = Math.max(partition.epoch, observed);
        this.#revoking.delete(partition);
        this.#table.grant(partition, lease);
        this.#changed(nowMs);
      }
    });
  }

  /** The broker serves these, with all applied that their revisions tell. Notes them as created, durably. */
  ready(
    session: SessionId,
    served: readonly (HeldPartition & { readonly revision: number })[],
    nowMs: number,
  ): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      const topics = new Set<string>();
      for (const one of served) {
        const partition = this.#table.held(lease, one);
        if (partition === undefined) {
          continue;
        }
        if (!partition.created) {
          partition.created = true;
          this.#table.touchRow(partition);
        }
        partition.servedRevision = Math.max(partition.servedRevision, one.revision);
        topics.add(one.topic);
      }
      this.#flush(nowMs);
      for (const topic of topics) {
        this.#emit({ kind: 'ready', topic });
      }
    });
  }

  /** The stream is gone: the broker has a second to come back, then its endpoint is probed. */
  sessionEnded(session: SessionId, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    const lease = this.#registry.bySession(session);
    if (lease !== undefined) {
      lease.session = undefined;
      lease.probeAtMs = nowMs + SETTLE_MS;
      if (lease.draining && this.partitionsLeft(lease.name) === 0) {
        this.#end(lease, CLOSE_REASON.expired, nowMs);
      }
      this.#changed(nowMs);
    }
    return this.#take(nowMs);
  }

  /** A probe's answer. Only a refusal, by a broker that has not come back since, ends its lease early. */
  probed({ probe, refused }: { probe: number; refused: boolean }, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    const lease = this.#registry.byProbe(probe);
    if (lease !== undefined && refused && lease.session === undefined) {
      this.#end(lease, CLOSE_REASON.expired, nowMs);
    }
    return this.#take(nowMs);
  }

  /** An operator drains a broker, or takes that back. Unknown names change nothing. */
  drain(name: string, { cancel }: { cancel: boolean }, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    if (this.#registry.drain(name, !cancel)) {
      this.#changed(nowMs);
    }
    return this.#take(nowMs);
  }

  /** A topic was made or changed, or a group of its was: owners are told the revision. */
  topicUpserted(topic: LeasedTopic, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    this.#table.upsert(topic);
    this.#tellOwners(this.#table.of(topic.name));
    this.#changed(nowMs);
    return this.#take(nowMs);
  }

  /** A topic was deleted, and its rows with it. */
  topicDeleted(topic: string, nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    const partitions = this.#table.remove(topic);
    this.#tellOwners(partitions);
    for (const partition of partitions) {
      this.#revoking.delete(partition);
      partition.owner = undefined;
    }
    this.#changed(nowMs);
    return this.#take(nowMs);
  }

  /** Lets time do its work; call it at `nextTimerMs`. */
  tick(nowMs: number): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    for (const lease of this.#registry.leases) {
      if (lease.probeAtMs <= nowMs) {
        this.#probe(lease);
      }
    }
    return this.#take(nowMs);
  }

  /** When `tick` is due next; Infinity: not before another event. */
  nextTimerMs(): number {
    let nextMs = this.#flushAtMs;
    for (const lease of this.#registry.leases) {
      nextMs = Math.min(nextMs, lease.untilMs, lease.probeAtMs);
    }
    for (const partition of this.#revoking) {
      nextMs = Math.min(nextMs, partition.revokeAtMs);
    }
    return nextMs;
  }

  /** Whether all partitions are served with everything applied up to `revision`. */
  isReady(topic: string, revision: number): boolean {
    const partitions = this.#table.of(topic);
    const served = (partition: LeasedPartition): boolean =>
      partition.owner !== undefined && partition.servedRevision >= revision;
    return partitions.length > 0 && partitions.every(served);
  }

  /** Partitions of one topic or of all. */
  partitions(topic?: string): PartitionView[] {
    return [...(topic === undefined ? this.#table.all() : this.#table.of(topic))].map(viewOf);
  }

  brokers(): BrokerView[] {
    return this.#registry.views((lease) => [...this.#table.ownedBy(lease)].length);
  }

  /** Partitions that the broker still owns, embedded ones included. */
  partitionsLeft(name: string): number {
    return this.brokers().find((broker) => broker.name === name)?.partitions ?? 0;
  }

  /** A snapshot of the routes of one topic or of all. */
  routes(topic?: string): TopicRoutes[] {
    return this.#table.routes(topic);
  }

  /** Runs `act` for the lease of a stream; a stream without one is closed. */
  #heard(session: SessionId, nowMs: number, act: (lease: BrokerLease) => void): BrokerLeaseEffect[] {
    this.#expire(nowMs);
    const lease = this.#registry.bySession(session);
    if (lease === undefined) {
      return this.#refuse(session, CLOSE_REASON.notRegistered);
    }
    act(lease);
    return this.#take(nowMs);
  }

  #refuse(session: SessionId, reason: 'fenced' | 'nameInUse' | 'notRegistered'): BrokerLeaseEffect[] {
    this.#emit({ kind: 'close', session, reason });
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Frees what the process does not name as held, though it was granted. */
  #reconcile(lease: BrokerLease, held: readonly HeldPartition[], nowMs: number): void {
    const kept = new Set(held.map((one) => this.#table.held(lease, one)));
    for (const { topic, partition } of held) {
      const claimed = this.#table.find(topic, partition);
      if (claimed !== undefined && claimed.owner === undefined) {
        // Taken from it meanwhile: until it hears so it may believe that it holds it.
        claimed.incarnation = lease.incarnation;
        claimed.reservedUntilMs = this.#leaseEnd(nowMs);
      }
    }
    for (const partition of this.#table.ownedBy(lease)) {
      if (!kept.has(partition)) {
        // The stream may be an old one that comes late: until its lease ends nobody but the process itself gets it.
        partition.reservedUntilMs = lease.untilMs;
        this.#free(partition);
      }
    }
  }

  #leaseEnd(nowMs: number): number {
    return nowMs + this.#ttlMs + this.#marginMs;
  }

  #expire(nowMs: number): void {
    for (const lease of this.#registry.leases) {
      if (lease.untilMs <= nowMs) {
        this.#end(lease, CLOSE_REASON.expired, nowMs);
      }
    }
  }

  #end(lease: BrokerLease, reason: 'expired' | 'fenced', nowMs: number): void {
    for (const partition of this.#table.ownedBy(lease)) {
      this.#free(partition);
    }
    for (const partition of this.#table.all()) {
      if (partition.incarnation === lease.incarnation) {
        partition.reservedUntilMs = Number.NEGATIVE_INFINITY;
      }
    }
    if (lease.session !== undefined) {
      this.#emit({ kind: 'close', session: lease.session, reason });
    }
    this.#registry.end(lease, { over: reason === 'fenced', nowMs });
    this.#changed(nowMs);
  }

  #free(partition: LeasedPartition): void {
    this.#revoking.delete(partition);
    this.#table.free(partition);
  }

  #probe(lease: BrokerLease): void {
    const { name: broker, incarnation, endpoint } = lease;
    lease.probeAtMs = Number.POSITIVE_INFINITY;
    if (lease.session === undefined && endpoint !== '') {
      lease.probe = ++this.#probes;
      this.#emit({ kind: 'probe', probe: lease.probe, broker, incarnation, endpoint });
    }
  }

  #tellOwners(partitions: readonly LeasedPartition[]): void {
    for (const { owner } of partitions) {
      if (owner !== undefined) {
        owner.dirty = true;
      }
    }
  }

  #changed(nowMs: number): void {
    this.#flushAtMs = Math.min(this.#flushAtMs, nowMs + COALESCE_MS);
  }

  #emit(effect: BrokerLeaseEffect): void {
    this.#effects.push(effect);
  }

  #take(nowMs: number): BrokerLeaseEffect[] {
    const revokes = [...this.#revoking].some((partition) => partition.revokeAtMs <= nowMs);
    if (revokes || this.#flushAtMs <= nowMs) {
      this.#flush(nowMs);
    }
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Decides who gets what, makes it durable, and only then tells anyone. */
  #flush(nowMs: number): void {
    this.#flushAtMs = Number.POSITIVE_INFINITY;
    const { revoke, againMs } = dealPartitions(this.#table, this.#registry, { nowMs, placeFromMs: this.#placeFromMs });
    this.#flushAtMs = againMs;
    for (const partition of revoke) {
      if (partition.revokeAtMs === Number.POSITIVE_INFINITY) {
        partition.revokeAtMs = nowMs;
        this.#revoking.add(partition);
      }
    }
    this.#persist(nowMs);
    this.#push();
    this.#revoke(nowMs);
    const changed = this.#table.takeUnrouted();
    if (changed.length > 0) {
      this.#emit({ kind: 'routes', changed });
    }
  }

  #persist(nowMs: number): void {
    const assignments = this.#table.takeUnsaved();
    const placed = new Set([...this.#table.all()].map((partition) => partition.dataDirectory));
    const { brokers, forgottenBrokers } = this.#registry.takeUnsaved(nowMs, placed);
    if (assignments.length + brokers.length + forgottenBrokers.length > 0) {
      this.#emit({ kind: 'persist', assignments, brokers, forgottenBrokers });
    }
  }

  #push(): void {
    for (const lease of this.#registry.leases) {
      if (lease.dirty && lease.session !== undefined) {
        const assignments = [...this.#table.ownedBy(lease)].map((partition) => this.#table.assignment(partition));
        this.#emit({
          kind: 'grant',
          session: lease.session,
          sequence: 0,
          ttlMs: this.#ttlMs,
          changed: true,
          assignments,
        });
        lease.dirty = false;
      }
    }
  }

  #revoke(nowMs: number): void {
    for (const partition of this.#revoking) {
      const session = partition.owner?.session;
      if (partition.revokeAtMs > nowMs) {
        continue;
      }
      partition.revokeAtMs = nowMs + REVOKE_GRACE_MS;
      if (session !== undefined) {
        const assignment = this.#table.assignment(partition);
        this.#emit({ kind: 'revoke', session, assignment, graceMs: REVOKE_GRACE_MS });
      }
    }
  }
}
