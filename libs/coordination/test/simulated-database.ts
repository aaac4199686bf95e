import { type SimulationNode } from '@hermes/testing';

import {
  type BrokerProcess,
  type EndLeaseEffect,
  type PersistedAssignment,
  type PersistedBroker,
  type PersistEffect,
} from '../src/index.js';
import { type ClusterWorld } from './cluster-world.js';
import { keyOf } from './fenced-store.js';

/** As libs/metadata has it. */
export const LEADERSHIP_TTL_MS = 5_000;

/** Callers that hear nothing for so long give up; the statement may still be carried out. */
const STATEMENT_MS = 2_000;

/** Who writes, and the how manieth time in its term. */
export interface LeaderWrite {
  /** Epoch of its leadership: no two terms have the same. */
  readonly epoch: number;
  readonly write: number;
}

/**
 * The metadata database: rows, the row of leadership, and leases that brokers renew, by a clock of its own. Statements
 * come over the network and are carried out one after the other.
 */
export class SimulatedDatabase {
  readonly node: SimulationNode;
  readonly rows = new Map<string, PersistedAssignment>();
  readonly brokerRows = new Map<string, PersistedBroker>();
  readonly #world: ClusterWorld;
  readonly #leases = new Map<string, { incarnation: number; expiresAtMs: number }>();
  #leadership = { epoch: 0, expiresAtMs: 0, writes: 0 };

  constructor(world: ClusterWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
  }

  /** Carries out `statement` and gives its answer to the caller, if nothing is in the way; else `failed`. */
  call(from: SimulationNode, statement: () => () => void, failed: () => void): void {
    const { network } = this.#world.simulation;
    const { life } = from;
    let open = true;
    const settle = (run: () => void): void => {
      if (open) {
        open = false;
        giveUp();
        run();
      }
    };
    const giveUp = from.timers.after(STATEMENT_MS, () => {
      settle(failed);
    });
    const send = (to: SimulationNode, run: () => void, toLife: number): void => {
      const source = to === this.node ? from : this.node;
      if (!network.isCut(source, to)) {
        this.#world.simulation.after(network.delayMs(), 'statement', () => {
          to.deliver(run, toLife);
        });
      }
    };
    const carryOut = (): void => {
      const answer = statement();
      send(
        from,
        () => {
          settle(answer);
        },
        life,
      );
    };
    send(this.node, carryOut, this.node.life);
  }

  /** Leadership if nobody has it: its epoch. */
  take(): number | undefined {
    if (this.#leadership.expiresAtMs > this.#nowMs) {
      return undefined;
    }
    const epoch = this.#leadership.epoch + 1;
    this.#leadership = { epoch, expiresAtMs: this.#nowMs + LEADERSHIP_TTL_MS, writes: 0 };
    return epoch;
  }

  renew(epoch: number): boolean {
    if (this.#leadership.epoch !== epoch) {
      return false;
    }
    this.#leadership.expiresAtMs = this.#nowMs + LEADERSHIP_TTL_MS;
    return true;
  }

  /**
   * A leader's transaction, its `write`th. False: another one leads, and nothing was changed. One that comes after a
   * later one does nothing: libs/metadata finds out what became of each before the next begins.
   */
  save({ epoch, write }: LeaderWrite, { assignments, brokers, registered }: PersistEffect): boolean {
    if (this.#leadership.epoch !== epoch && this.#world.bugs.writesUnfenced !== true) {
      return false;
    }
    if (write < this.#leadership.writes) {
      return true;
    }
    this.#leadership.writes = write;
    assignments.forEach((row) => this.rows.set(keyOf(row), row));
    brokers.forEach((row) => this.brokerRows.set(row.name, row));
    for (const { broker, incarnation } of registered) {
      if (this.#leases.get(broker)?.incarnation !== incarnation) {
        this.#leases.set(broker, { incarnation, expiresAtMs: 0 });
      }
    }
    return true;
  }

  /** Another leader's transaction: undefined if another one leads, else how long the lease lasts instead of ending. */
  endLease({ epoch, write }: LeaderWrite, effect: EndLeaseEffect): number | undefined {
    const { broker, incarnation, lastsAtMostMs } = effect;
    if (this.#leadership.epoch !== epoch) {
      return undefined;
    }
    if (write < this.#leadership.writes) {
      return 0;
    }
    this.#leadership.writes = write;
    const lease = this.#leases.get(broker);
    if (lease?.incarnation !== incarnation) {
      return 0;
    }
    const lastsMs = lease.expiresAtMs - this.#nowMs;
    if (lastsMs > lastsAtMostMs && this.#world.bugs.takesRenewedLeases !== true) {
      return Math.max(1, lastsMs);
    }
    this.#leases.set(broker, { incarnation: 0, expiresAtMs: 0 });
    return 0;
  }

  /** A broker's own statement. */
  renewLease({ broker, incarnation }: BrokerProcess, ttlMs: number): boolean {
    const lease = this.#leases.get(broker);
    if (lease?.incarnation !== incarnation) {
      return false;
    }
    lease.expiresAtMs = this.#nowMs + ttlMs;
    return true;
  }

  owned({ broker, incarnation }: BrokerProcess): PersistedAssignment[] {
    return [...this.rows.values()].filter((row) => row.broker === broker && row.incarnation === incarnation);
  }

  get #nowMs(): number {
    return this.node.clock.monotonicMs();
  }
}
