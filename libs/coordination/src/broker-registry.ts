import {
  type BrokerProcess,
  type BrokerRegistration,
  type BrokerView,
  type PersistedBroker,
  type PersistEffect,
} from './broker-lease-effect.js';
import {
  type Broker,
  type BrokerCounts,
  type BrokerLease,
  brokerRow,
  brokerState,
  brokerView,
  createBroker,
  createLease,
  noteEnded,
  provesEnd,
} from './broker-lease.js';
import { type SessionId, SETTLE_MS } from './lease.js';

/** A broker that is gone, owns no directory that holds partitions and is not drained, is forgotten after this. */
const FORGET_MS = 600_000;
/** Of more names, those that can be forgotten are forgotten at once. */
const NAMES_KEPT_MAX = 1_000;
/** Beyond these a new name is refused: each has a lease, a directory that is used, or is drained. */
export const NAMES_MAX = 2 * NAMES_KEPT_MAX;

/** Brokers by name, and the leases that have not ended. */
export class BrokerRegistry {
  readonly leases = new Set<BrokerLease>();
  readonly #brokers = new Map<string, Broker>();
  readonly #sessions = new Map<SessionId, BrokerLease>();
  readonly #unsaved = new Set<Broker>();
  #registered: BrokerProcess[] = [];

  constructor(rows: readonly PersistedBroker[], nowMs: number) {
    for (const row of rows) {
      this.#brokers.set(row.name, createBroker(row, nowMs));
    }
  }

  /** The lease that an owner of before the leader's start may still hold. */
  formerOwner(
    row: { readonly broker: string; readonly incarnation: number; readonly dataDirectory: string },
    { nowMs, untilMs }: { nowMs: number; untilMs: number },
  ): BrokerLease {
    for (const lease of this.leases) {
      if (lease.name === row.broker && lease.incarnation === row.incarnation) {
        return lease;
      }
    }
    const broker = this.#named(row, nowMs);
    const current = broker.row.incarnation === row.incarnation;
    const known = current ? broker.row : { ...broker.row, endpoint: '', incarnation: row.incarnation };
    const lease = createLease(known, untilMs);
    lease.probeAtMs = nowMs + SETTLE_MS;
    lease.silentSinceMs = nowMs;
    this.leases.add(lease);
    if (current || broker.lease === undefined) {
      broker.lease = lease;
    }
    return lease;
  }

  bySession(session: SessionId): BrokerLease | undefined {
    return this.#sessions.get(session);
  }

  byProbe(probe: number): BrokerLease | undefined {
    return [...this.leases].find((lease) => lease.probe === probe);
  }

  byCheck(check: number): BrokerLease | undefined {
    return [...this.leases].find((lease) => lease.check === check);
  }

  /** The lease of a broker's current process. */
  leaseOf(name: string): BrokerLease | undefined {
    return this.#brokers.get(name)?.lease;
  }

  /** False: it is drained, or its process stops. */
  isAccepting(lease: BrokerLease): boolean {
    return !lease.draining && this.#brokers.get(lease.name)?.drained !== true;
  }

  /** Whether that process is known to be over, its successor being here: a register of its that comes late. */
  hasEnded(from: BrokerRegistration): boolean {
    const broker = this.#brokers.get(from.broker);
    return broker?.lease?.session !== undefined && broker.ended.includes(from.incarnation);
  }

  /** Leases of other processes that cannot run any more, since this one does. */
  endedBy(from: BrokerRegistration): BrokerLease[] {
    return [...this.leases].filter((lease) => !sameProcess(lease, from) && provesEnd(lease, from));
  }

  /** Whether another process holds the name, and nothing shows that it is over. */
  isTaken(from: BrokerRegistration): boolean {
    return [...this.leases].some((lease) => lease.name === from.broker && !sameProcess(lease, from));
  }

  /** Whether the name is known, or there is room for one more. */
  hasRoom(name: string): boolean {
    return this.#brokers.has(name) || this.#brokers.size < NAMES_MAX;
  }

  /** Binds a stream to its process's lease; `replaced` is the stream that it had. */
  register(session: SessionId, from: BrokerRegistration): { lease: BrokerLease; replaced: SessionId | undefined } {
    const broker = this.#brokers.get(from.broker) ?? createBroker(brokerRow(from, false), 0);
    this.#brokers.set(from.broker, broker);
    const row = brokerRow(from, broker.drained);
    const lease = [...this.leases].find((other) => sameProcess(other, from)) ?? createLease(row, 0);
    const replaced = lease.session === session ? undefined : lease.session;
    if (replaced !== undefined) {
      this.#sessions.delete(replaced);
    }
    const { endpoint, host, zone, brokerGroup, weight, capacity, dataDirectory } = from;
    Object.assign(lease, { endpoint, host, zone, brokerGroup, weight, capacity, dataDirectory, session });
    Object.assign(lease, { probe: 0, probeAtMs: Number.POSITIVE_INFINITY, check: 0 });
    this.leases.add(lease);
    this.#sessions.set(session, lease);
    broker.lease = lease;
    broker.row = row;
    this.#unsaved.add(broker);
    this.#registered.push({ broker: from.broker, incarnation: from.incarnation });
    return { lease, replaced };
  }

  /** A stream has ended; the lease goes on without one. */
  unbind(lease: BrokerLease): void {
    if (lease.session !== undefined) {
      this.#sessions.delete(lease.session);
      lease.session = undefined;
    }
  }

  /** A lease has ended; `over`: its process is known to be over, too. */
  end(lease: BrokerLease, { over, nowMs }: { over: boolean; nowMs: number }): void {
    this.leases.delete(lease);
    this.unbind(lease);
    const broker = this.#brokers.get(lease.name);
    if (broker === undefined) {
      return;
    }
    if (over) {
      noteEnded(broker, lease.incarnation);
    }
    if (broker.lease === lease) {
      broker.lease = undefined;
      broker.goneAtMs = nowMs;
    }
  }

  /** False: there is no such broker. */
  drain(name: string, drained: boolean): boolean {
    const broker = this.#brokers.get(name);
    if (broker === undefined) {
      return false;
    }
    if (broker.drained !== drained) {
      broker.drained = drained;
      broker.row = { ...broker.row, drained };
      this.#unsaved.add(broker);
    }
    return true;
  }

  /** Rows that changed, who registered, and names that are forgotten: gone for long, and nothing lives in their directory. */
  takeUnsaved(nowMs: number, isUsed: (dataDirectory: string) => boolean): Omit<PersistEffect, 'kind' | 'assignments'> {
    const forgottenBrokers: string[] = [];
    const forgetMs = this.#brokers.size > NAMES_KEPT_MAX ? 0 : FORGET_MS;
    for (const broker of this.#brokers.values()) {
      const { dataDirectory } = broker.row;
      const isGone = broker.lease === undefined && !broker.drained && nowMs - broker.goneAtMs >= forgetMs;
      if (isGone && (dataDirectory === '' || !isUsed(dataDirectory))) {
        this.#brokers.delete(broker.name);
        this.#unsaved.delete(broker);
        forgottenBrokers.push(broker.name);
      }
    }
    const brokers = [...this.#unsaved].map((broker) => broker.row);
    this.#unsaved.clear();
    const registered = this.#registered;
    this.#registered = [];
    return { brokers, forgottenBrokers, registered };
  }

  /** What a broker may be given; undefined: there is no such broker. */
  standing(name: string): Pick<BrokerView, 'state' | 'brokerGroup'> | undefined {
    const broker = this.#brokers.get(name);
    return broker && { state: brokerState(broker), brokerGroup: broker.row.brokerGroup };
  }

  views(nowMs: number, countsOf: (lease: BrokerLease) => BrokerCounts): BrokerView[] {
    return [...this.#brokers.values()].map((broker) => brokerView(broker, nowMs, countsOf));
  }

  #named(
    row: { readonly broker: string; readonly incarnation: number; readonly dataDirectory: string },
    nowMs: number,
  ): Broker {
    const { broker: name, incarnation, dataDirectory } = row;
    const known = this.#brokers.get(name);
    if (known !== undefined) {
      return known;
    }
    const blank = { name, incarnation, endpoint: '', zone: '', brokerGroup: '', dataDirectory, drained: false };
    const broker = createBroker(blank, nowMs);
    this.#brokers.set(name, broker);
    return broker;
  }
}

function sameProcess(lease: BrokerLease, from: BrokerRegistration): boolean {
  return lease.name === from.broker && lease.incarnation === from.incarnation;
}
