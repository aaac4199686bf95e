import {
  type BrokerLeaseEffect,
  type BrokerRegistration,
  type BrokerView,
  type LeasedTopic,
  type MoveRefusal,
  type PartitionMove,
  type PartitionView,
  type PersistedAssignment,
  type PersistedBroker,
} from './broker-lease-effect.js';
import { type BrokerLease } from './broker-lease.js';
import { BrokerLeaseEnds } from './broker-lease-ends.js';
import { BrokerOutbox } from './broker-outbox.js';
import { BrokerRegistry } from './broker-registry.js';
import { movesUnpinned } from './deal-partitions.js';
import {
  CLOSE_REASON,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  type PartitionRef,
  PLACING_PATIENCE_MS,
  type SessionId,
  SETTLE_MS,
  type TopicRoutes,
} from './lease.js';
import { type LeasedPartition } from './leased-partition.js';
import { moveRefusal } from './move-refusal.js';
import { PartitionTable } from './partition-table.js';

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
  /** Brokers may renew in the database, too: no lease is over before that has ended it. Unset: they cannot reach it. */
  readonly renewedInDatabase?: boolean;
}

/**
 * A report of a newer epoch raises one by at most this: what is really further ahead is reached by a few reports, and
 * it takes years of lies to use up the numbers.
 */
export const EPOCH_RAISE_MAX = 2 ** 20;

/**
 * The leader's side of broker leases: who holds which partition, at which epoch, until when. Each call takes an event
 * and the monotonic time, and returns what the shell does (see BrokerLeaseEffect for the order that it must keep).
 */
export class BrokerLeases {
  readonly #table: PartitionTable;
  readonly #registry: BrokerRegistry;
  readonly #ttlMs: number;
  readonly #marginMs: number;
  readonly #outbox: BrokerOutbox;
  readonly #ends: BrokerLeaseEnds;

  constructor(options: BrokerLeasesOptions) {
    const { topics, assignments, brokers = [], nowMs, ttlMs = LEASE_TTL_DEFAULT_MS } = options;
    this.#ttlMs = ttlMs;
    this.#marginMs = options.marginMs ?? LEASE_MARGIN_MS;
    this.#table = new PartitionTable(topics, assignments);
    this.#registry = new BrokerRegistry(brokers, nowMs);
    const formerMs = Math.max(ttlMs, options.formerTtlMs ?? 0) + this.#marginMs;
    for (const partition of this.#table.all()) {
      if (partition.broker !== '') {
        const former = this.#registry.formerOwner(partition, { nowMs, untilMs: nowMs + formerMs });
        this.#table.restore(partition, former);
      }
    }
    const [fromMs, byMs] = this.#registry.leases.size > 0 ? [SETTLE_MS, PLACING_PATIENCE_MS] : [0, 0];
    const placing = { fromMs: nowMs + fromMs, byMs: nowMs + byMs };
    this.#outbox = new BrokerOutbox({ table: this.#table, registry: this.#registry, ttlMs, placing });
    const rules = { ttlMs, marginMs: this.#marginMs, renewedInDatabase: options.renewedInDatabase ?? false };
    this.#ends = new BrokerLeaseEnds({ table: this.#table, registry: this.#registry, outbox: this.#outbox, rules });
    this.#outbox.changed(nowMs);
  }

  /** A broker process opens its stream, or opens it again. What it does not name as held counts as released. */
  register(session: SessionId, from: BrokerRegistration, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    if (this.#registry.hasEnded(from)) {
      return this.#refuse(session, CLOSE_REASON.fenced);
    }
    for (const other of this.#registry.endedBy(from)) {
      this.#ends.end(other, CLOSE_REASON.fenced, nowMs);
    }
    if (this.#registry.isTaken(from)) {
      return this.#refuse(session, CLOSE_REASON.nameInUse);
    }
    if (!this.#registry.hasRoom(from.broker)) {
      return this.#refuse(session, CLOSE_REASON.tooMany);
    }
    const { lease, replaced } = this.#registry.register(session, from);
    if (replaced !== undefined) {
      this.#outbox.emit({ kind: 'close', session: replaced, reason: CLOSE_REASON.replaced });
    }
    this.#reconcile(lease, from.held, nowMs);
    lease.untilMs = Math.max(lease.untilMs, this.#leaseEnd(nowMs));
    lease.dirty = true;
    this.#outbox.changed(nowMs);
    return this.#outbox.take(nowMs);
  }

  /**
   * Prolongs all leases of the broker and answers with its sequence. `unreachable`: the data sources that answer it
   * nothing; what is stored there goes to brokers that they answer, if that lasts.
   */
  heartbeat(
    session: SessionId,
    sequence: number,
    nowMs: number,
    unreachable: readonly string[] = [],
  ): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      lease.untilMs = this.#leaseEnd(nowMs);
      if (lease.reach.note(new Set(unreachable), nowMs)) {
        this.#outbox.changed(nowMs);
      }
      if (lease.dirty) {
        // What was taken from the holder must reach it before anything is prolonged.
        this.#outbox.flush(nowMs);
      }
      this.#outbox.emit({ kind: 'grant', session, sequence, ttlMs: this.#ttlMs, changed: false, assignments: [] });
    });
  }

  /** The broker gave a partition back; another epoch than the current one is past and changes nothing. */
  released(session: SessionId, held: HeldPartition, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      const partition = this.#table.held(lease, held);
      if (partition !== undefined) {
        // Asked for, it goes for the reason why it was asked for.
        const isAsked = this.#table.revocations.has(partition);
        const unasked = this.#registry.isAccepting(lease) ? 'RELEASED' : 'DRAINED';
        this.#table.free(partition, isAsked ? partition.nextReason : unasked);
        if (isAsked || unasked === 'DRAINED') {
          // Its callers wait for the next owner.
          this.#outbox.urgent(nowMs);
        } else {
          this.#outbox.changed(nowMs);
        }
      }
    });
  }

  /** The broker's process stops: it gets nothing any more, and what can move is moved. */
  draining(session: SessionId, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      lease.draining = true;
      this.#outbox.changed(nowMs);
    });
  }

  /** The broker found a newer epoch in storage: it is granted again, above that one or EPOCH_RAISE_MAX nearer to it. */
  epochTooLow(session: SessionId, held: HeldPartition, observed: number, nowMs: number): BrokerLeaseEffect[] {
    return this.#heard(session, nowMs, (lease) => {
      const partition = this.#table.held(lease, held);
      if (partition !== undefined) {
        const believed = Math.min(observed, partition.epoch + EPOCH_RAISE_MAX);
        partition.epoch = Math.max(partition.epoch, believed);
        this.#table.grant(partition, lease);
        this.#outbox.changed(nowMs);
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
        // No broker has applied what is not there yet: believing it would answer later changes too early.
        const known = this.#table.settings(one.topic)?.revision ?? 0;
        partition.servedRevision = Math.max(partition.servedRevision, Math.min(one.revision, known));
        topics.add(one.topic);
      }
      // Nothing is decided anew: who is ready changes nothing about who gets what.
      this.#outbox.persist(nowMs);
      for (const topic of topics) {
        this.#outbox.emit({ kind: 'ready', topic });
      }
    });
  }

  /** The stream is gone: the broker has a second to come back, then its endpoint is probed. */
  sessionEnded(session: SessionId, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    const lease = this.#registry.bySession(session);
    if (lease !== undefined) {
      this.#ends.streamEnded(lease, nowMs);
    }
    return this.#outbox.take(nowMs);
  }

  /** A probe's answer. Only a refusal, by a broker that has not come back since, ends its lease early. */
  probed(answer: { readonly probe: number; readonly refused: boolean }, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    this.#ends.probed(answer, nowMs);
    return this.#outbox.take(nowMs);
  }

  /** What came of an `endLease`: how long the lease lasts, in ms; 0: it has ended. */
  leaseEnded(answer: { readonly check: number; readonly lastsMs: number }, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    this.#ends.endedInDatabase(answer, nowMs);
    return this.#outbox.take(nowMs);
  }

  /** An operator drains a broker, or takes that back. Unknown names change nothing. */
  drain(name: string, { cancel }: { cancel: boolean }, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    if (this.#registry.drain(name, !cancel)) {
      this.#outbox.changed(nowMs);
    }
    return this.#outbox.take(nowMs);
  }

  /**
   * An operator moves a partition; no balance takes it from `broker` any more. Nothing changes if that is refused, or if
   * it lives there and cannot move.
   */
  move({ topic, partition }: PartitionRef, broker: string, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    const found = this.#table.find(topic, partition);
    const isMovable = this.#table.settings(topic)?.inDataDirectory === false;
    if (found !== undefined && isMovable && this.moveRefusal({ topic, partition }, broker) === undefined) {
      this.#table.pin(found, broker);
      this.#outbox.changed(nowMs);
    }
    return this.#outbox.take(nowMs);
  }

  /** Moves by hand hold no longer: what they left uneven is evened out. */
  rebalance(nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    for (const partition of this.#table.all()) {
      this.#table.pin(partition, '');
    }
    this.#outbox.changed(nowMs);
    return this.#outbox.take(nowMs);
  }

  /** A topic was made or changed, or a group of its was: owners are told the revision. */
  topicUpserted(topic: LeasedTopic, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    this.#table.upsert(topic);
    for (const { owner } of this.#table.of(topic.name)) {
      if (owner !== undefined) {
        owner.dirty = true;
      }
    }
    this.#outbox.changed(nowMs);
    return this.#outbox.take(nowMs);
  }

  /** A topic was deleted, and its rows with it. */
  topicDeleted(topic: string, nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    this.#table.remove(topic);
    this.#outbox.changed(nowMs);
    return this.#outbox.take(nowMs);
  }

  /** Lets time do its work; call it at `nextTimerMs`. */
  tick(nowMs: number): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    this.#ends.probe(nowMs);
    return this.#outbox.take(nowMs);
  }

  /** When `tick` is due next; Infinity: not before another event. */
  nextTimerMs(): number {
    return Math.min(this.#outbox.dueMs, this.#ends.nextMs());
  }

  /** Whether all partitions are served with everything applied up to `revision`. */
  isReady(topic: string, revision: number): boolean {
    const partitions = this.#table.of(topic);
    const served = (partition: LeasedPartition): boolean =>
      partition.owner !== undefined && partition.servedRevision >= revision;
    return partitions.length > 0 && partitions.every(served);
  }

  /** Why the partition cannot be moved there; undefined: it can. */
  moveRefusal(partition: PartitionRef, broker: string): MoveRefusal | undefined {
    return moveRefusal(partition, broker, { table: this.#table, registry: this.#registry });
  }

  /** What `rebalance` would move. */
  rebalanceMoves(): PartitionMove[] {
    return movesUnpinned(this.#table, this.#registry);
  }

  /** Partitions of one topic or of all. */
  partitions(topic?: string): PartitionView[] {
    return this.#table.views(topic);
  }

  /** The broker whose lease a stream holds; undefined: it holds none, whatever it said. */
  holderOf(session: SessionId): string | undefined {
    return this.#registry.bySession(session)?.name;
  }

  brokers(nowMs: number): BrokerView[] {
    return this.#registry.views(nowMs, (lease) => this.#table.countsOf(lease));
  }

  /** Partitions that the broker still owns, those of its data directory included. */
  partitionsLeft(name: string): number {
    const lease = this.#registry.leaseOf(name);
    return lease === undefined ? 0 : this.#table.ownedBy(lease).size;
  }

  /** A snapshot of the routes of one topic or of all. */
  routes(topic?: string): TopicRoutes[] {
    return this.#table.routes(topic);
  }

  /** Runs `act` for the lease of a stream; a stream without one is closed. */
  #heard(session: SessionId, nowMs: number, act: (lease: BrokerLease) => void): BrokerLeaseEffect[] {
    this.#ends.expire(nowMs);
    const lease = this.#registry.bySession(session);
    if (lease === undefined) {
      return this.#refuse(session, CLOSE_REASON.notRegistered);
    }
    act(lease);
    return this.#outbox.take(nowMs);
  }

  #refuse(session: SessionId, reason: 'fenced' | 'nameInUse' | 'tooMany' | 'notRegistered'): BrokerLeaseEffect[] {
    this.#outbox.emit({ kind: 'close', session, reason });
    return this.#outbox.takeEmitted();
  }

  /** Frees what the process does not name as held, though it was granted. */
  #reconcile(lease: BrokerLease, held: readonly HeldPartition[], nowMs: number): void {
    const kept = new Set(held.map((one) => this.#table.held(lease, one)));
    for (const one of held) {
      const claimed = this.#table.find(one.topic, one.partition);
      if (claimed !== undefined && mayHaveHeld(lease, claimed, one.epoch)) {
        // Taken from it meanwhile: until it hears so it may believe that it holds it.
        claimed.incarnation = lease.incarnation;
        claimed.reservedUntilMs = this.#leaseEnd(nowMs);
      }
    }
    for (const partition of this.#table.ownedBy(lease)) {
      if (!kept.has(partition)) {
        // The stream may be an old one that comes late: until its lease ends nobody but the process itself gets it.
        partition.reservedUntilMs = Math.max(lease.untilMs, this.#leaseEnd(nowMs));
        this.#table.free(partition, 'RELEASED');
      }
    }
  }

  #leaseEnd(nowMs: number): number {
    return nowMs + this.#ttlMs + this.#marginMs;
  }
}

/**
 * Whether a free partition may still be believed held by a claimer: nobody had it since, or what is stored may be
 * older than the claim. What lives in a directory is held by that one's broker alone.
 */
function mayHaveHeld(lease: BrokerLease, claimed: LeasedPartition, epoch: number): boolean {
  const { owner, incarnation, dataDirectory } = claimed;
  const isLast = incarnation === lease.incarnation || epoch >= claimed.epoch;
  return owner === undefined && isLast && (dataDirectory === '' || dataDirectory === lease.dataDirectory);
}
