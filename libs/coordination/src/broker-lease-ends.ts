import { type BrokerLease } from './broker-lease.js';
import { type BrokerOutbox } from './broker-outbox.js';
import { type BrokerRegistry } from './broker-registry.js';
import { CLOSE_REASON, SETTLE_MS } from './lease.js';
import { type PartitionTable } from './partition-table.js';

/** How long leases last, and who knows. */
export interface LeaseRules {
  readonly ttlMs: number;
  readonly marginMs: number;
  /** Holders may renew in the database, too: a lease is over once that has ended it. */
  readonly renewedInDatabase: boolean;
}

export interface BrokerLeaseEndsOptions {
  readonly table: PartitionTable;
  readonly registry: BrokerRegistry;
  readonly outbox: BrokerOutbox;
  readonly rules: LeaseRules;
}

/** How leases end: by time, by a newer process, or because nobody listens at the broker's endpoint any more. */
export class BrokerLeaseEnds {
  readonly #table: PartitionTable;
  readonly #registry: BrokerRegistry;
  readonly #outbox: BrokerOutbox;
  readonly #rules: LeaseRules;
  #probes = 0;
  #checks = 0;

  constructor({ table, registry, outbox, rules }: BrokerLeaseEndsOptions) {
    this.#table = table;
    this.#registry = registry;
    this.#outbox = outbox;
    this.#rules = rules;
  }

  /** When a lease runs out or a probe is due; Infinity: there are none. */
  nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { untilMs, probeAtMs } of this.#registry.leases) {
      nextMs = Math.min(nextMs, untilMs, probeAtMs);
    }
    return nextMs;
  }

  /** Ends what has run out. Comes before everything else that happens at `nowMs`. */
  expire(nowMs: number): void {
    const { renewedInDatabase, ttlMs, marginMs } = this.#rules;
    for (const lease of this.#registry.leases) {
      if (lease.untilMs > nowMs) {
        continue;
      }
      if (renewedInDatabase) {
        this.#close(lease, CLOSE_REASON.expired);
        this.#endInDatabase(lease, -marginMs);
        // Asked again then, should no answer come.
        lease.untilMs = nowMs + ttlMs + marginMs;
      } else {
        this.end(lease, CLOSE_REASON.expired, nowMs);
      }
    }
  }

  /** The database has ended a lease, or tells how long it lasts. A holder that has come back since keeps it. */
  endedInDatabase({ check, lastsMs }: { check: number; lastsMs: number }, nowMs: number): void {
    const lease = this.#registry.byCheck(check);
    if (lease === undefined) {
      return;
    }
    lease.check = 0;
    if (lastsMs > 0) {
      lease.untilMs = Math.max(lease.heardUntilMs, nowMs + lastsMs + this.#rules.marginMs);
    } else {
      this.end(lease, CLOSE_REASON.expired, nowMs);
    }
  }

  /** Ends a lease; everything that it covered is free. */
  end(lease: BrokerLease, reason: 'expired' | 'fenced', nowMs: number): void {
    for (const partition of this.#table.ownedBy(lease)) {
      this.#table.free(partition, 'OWNER_LOST');
    }
    for (const partition of this.#table.all()) {
      if (partition.incarnation === lease.incarnation) {
        partition.reservedUntilMs = Number.NEGATIVE_INFINITY;
      }
    }
    this.#close(lease, reason);
    this.#registry.end(lease, { over: reason === 'fenced', nowMs });
    this.#outbox.changed(nowMs);
  }

  /** A stream is gone: its broker has a second to come back. One that has given everything back needs none. */
  streamEnded(lease: BrokerLease, nowMs: number): void {
    this.#registry.unbind(lease);
    lease.silentSinceMs = nowMs;
    lease.probeAtMs = nowMs + SETTLE_MS;
    if (lease.draining && this.#table.ownedBy(lease).size === 0) {
      this.end(lease, CLOSE_REASON.expired, nowMs);
    }
    this.#outbox.changed(nowMs);
  }

  /** Has the endpoints probed of brokers that did not come back. */
  probe(nowMs: number): void {
    for (const lease of this.#registry.leases) {
      if (lease.probeAtMs > nowMs) {
        continue;
      }
      const { name: broker, incarnation, endpoint } = lease;
      lease.probeAtMs = Number.POSITIVE_INFINITY;
      if (lease.session === undefined && endpoint !== '') {
        lease.probe = ++this.#probes;
        this.#outbox.emit({ kind: 'probe', probe: lease.probe, broker, incarnation, endpoint });
      }
    }
  }

  /** A probe was answered. Only a refusal, by a broker that has not come back since, ends its lease early. */
  probed({ probe, refused }: { probe: number; refused: boolean }, nowMs: number): void {
    const lease = this.#registry.byProbe(probe);
    if (lease === undefined || !refused || lease.session !== undefined) {
      return;
    }
    const { renewedInDatabase, ttlMs, marginMs } = this.#rules;
    if (renewedInDatabase) {
      // Whatever lasts longer was renewed after the stream's end: somebody is alive there.
      this.#endInDatabase(lease, ttlMs - (nowMs - lease.silentSinceMs) - marginMs);
    } else {
      this.end(lease, CLOSE_REASON.expired, nowMs);
    }
  }

  #endInDatabase(lease: BrokerLease, lastsAtMostMs: number): void {
    const { name: broker, incarnation } = lease;
    lease.check = ++this.#checks;
    lease.heardUntilMs = lease.untilMs;
    this.#outbox.emit({ kind: 'endLease', check: lease.check, broker, incarnation, lastsAtMostMs });
  }

  #close(lease: BrokerLease, reason: 'expired' | 'fenced'): void {
    if (lease.session !== undefined) {
      this.#outbox.emit({ kind: 'close', session: lease.session, reason });
      this.#registry.unbind(lease);
    }
  }
}
