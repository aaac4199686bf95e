import { type BrokerLeaseEffect } from './broker-lease-effect.js';
import { type BrokerRegistry } from './broker-registry.js';
import { dealPartitions, type Placing } from './deal-partitions.js';
import { COALESCE_MS, REVOKE_GRACE_MS } from './lease.js';
import { type PartitionTable } from './partition-table.js';

export interface BrokerOutboxOptions {
  readonly table: PartitionTable;
  readonly registry: BrokerRegistry;
  readonly ttlMs: number;
  readonly placing: Placing;
}

/**
 * What the shell is to do next. Changes are gathered for a moment; then it is decided who gets what, that is written
 * down, and only then anyone is told.
 */
export class BrokerOutbox {
  readonly #options: BrokerOutboxOptions;
  #effects: BrokerLeaseEffect[] = [];
  #flushAtMs = Number.POSITIVE_INFINITY;
  #flushedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BrokerOutboxOptions) {
    this.#options = options;
  }

  /** When `take` has something to give without another event; Infinity: never. */
  get dueMs(): number {
    return Math.min(this.#flushAtMs, this.#options.table.revocations.nextMs);
  }

  emit(effect: BrokerLeaseEffect): void {
    this.#effects.push(effect);
  }

  /** Something is to be decided anew, soon. */
  changed(nowMs: number): void {
    this.#flushAtMs = Math.min(this.#flushAtMs, nowMs + COALESCE_MS);
  }

  /** Somebody waits for what is decided: at once, unless it just was. */
  urgent(nowMs: number): void {
    this.#flushAtMs = Math.min(this.#flushAtMs, Math.max(nowMs, this.#flushedAtMs + COALESCE_MS));
  }

  /** All effects since the last call, decisions that are due included. */
  take(nowMs: number): BrokerLeaseEffect[] {
    if (this.dueMs <= nowMs) {
      this.flush(nowMs);
    }
    return this.takeEmitted();
  }

  /** The effects alone: nothing is decided. */
  takeEmitted(): BrokerLeaseEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Decides who gets what, makes it durable, and only then tells anyone. */
  flush(nowMs: number): void {
    const { table, registry, placing, ttlMs } = this.#options;
    const { revoke, againMs } = dealPartitions(table, registry, { nowMs, placing, patienceMs: ttlMs });
    this.#flushAtMs = againMs;
    this.#flushedAtMs = nowMs;
    for (const partition of revoke) {
      table.revocations.begin(partition, nowMs);
    }
    this.persist(nowMs);
    this.#grant();
    this.#revoke(nowMs);
    const changed = table.takeUnrouted();
    if (changed.length > 0) {
      this.emit({ kind: 'routes', changed });
    }
  }

  /** Has all rows that changed written, before anything that is emitted later. */
  persist(nowMs: number): void {
    const { table, registry } = this.#options;
    const assignments = table.takeUnsaved();
    const changed = registry.takeUnsaved(nowMs, (directory) => table.livesIn(directory));
    if (assignments.length + changed.brokers.length + changed.forgottenBrokers.length > 0) {
      this.emit({ kind: 'persist', assignments, ...changed });
    }
  }

  #grant(): void {
    const { table, registry, ttlMs } = this.#options;
    for (const lease of registry.leases) {
      const { session } = lease;
      if (lease.dirty && session !== undefined) {
        const assignments = table.assignments(lease);
        this.emit({ kind: 'grant', session, sequence: 0, ttlMs, changed: true, assignments });
        lease.dirty = false;
      }
    }
  }

  #revoke(nowMs: number): void {
    const { table } = this.#options;
    for (const partition of table.revocations.takeDue(nowMs)) {
      const session = partition.owner?.session;
      if (session !== undefined) {
        const assignment = table.assignment(partition);
        this.emit({ kind: 'revoke', session, assignment, graceMs: REVOKE_GRACE_MS });
      }
    }
  }
}
