import { type SimulationNode, type StreamEnd } from '@hermes/testing';

import {
  type BrokerLeaseEffect,
  BrokerLeases,
  type LeaseAssignment,
  type PersistedAssignment,
  type PersistedBroker,
} from '../src/index.js';
import { type BrokerWorld } from './broker-world.js';
import { keyOf } from './fenced-store.js';
import { type Reply, type SimulatedBroker } from './simulated-broker.js';

export const TTL_MS = 10_000;

/** The meta-server's shell: a queue of effects in strict order, a database, one timer. */
export class BrokerMeta {
  readonly node: SimulationNode;
  readonly #world: BrokerWorld;
  readonly #rows = new Map<string, PersistedAssignment>();
  readonly #brokerRows = new Map<string, PersistedBroker>();
  readonly #grantedTo = new Map<string, number>();
  readonly #highest = new Map<string, number>();
  #sessions = new Map<number, { end: StreamEnd; broker: SimulatedBroker }>();
  #queue: BrokerLeaseEffect[] = [];
  #busy = false;
  #leases: BrokerLeases;
  #cancel = (): void => undefined;

  constructor(world: BrokerWorld, node: SimulationNode) {
    this.#world = world;
    this.node = node;
    this.#leases = this.#create();
    this.#arm();
  }

  get leases(): BrokerLeases {
    return this.#leases;
  }

  restart(): void {
    this.node.restart();
    this.#sessions = new Map();
    this.#queue = [];
    this.#busy = false;
    this.#leases = this.#create();
    this.#arm();
  }

  accept(session: number, end: StreamEnd, broker: SimulatedBroker): void {
    this.#sessions.set(session, { end, broker });
    end.onEnd(() => {
      this.#sessions.delete(session);
      this.apply((leases, nowMs) => leases.sessionEnded(session, nowMs));
    });
  }

  /** This side of a broker's streams gives up, as its keepalive does. */
  dropSessionsOf(broker: SimulatedBroker): void {
    for (const { end, broker: other } of [...this.#sessions.values()]) {
      if (other === broker) {
        end.drop();
      }
    }
  }

  apply(event: (leases: BrokerLeases, nowMs: number) => BrokerLeaseEffect[]): void {
    this.#queue.push(...event(this.#leases, this.node.clock.monotonicMs()));
    this.#pump();
    this.#arm();
  }

  #create(): BrokerLeases {
    const rows = [...this.#rows.values()];
    const options = {
      topics: this.#world.topics,
      assignments: this.#world.bugs.load?.(rows) ?? rows,
      brokers: [...this.#brokerRows.values()],
      nowMs: this.node.clock.monotonicMs(),
      ttlMs: TTL_MS,
    };
    return this.#world.bugs.createLeases?.(options) ?? new BrokerLeases(options);
  }

  #arm(): void {
    this.#cancel();
    const nextMs = this.#leases.nextTimerMs();
    if (nextMs < Number.POSITIVE_INFINITY) {
      const delayMs = Math.max(0, nextMs - this.node.clock.monotonicMs()) + 0.001;
      this.#cancel = this.node.timers.after(delayMs, () => {
        this.apply((leases, nowMs) => leases.tick(nowMs));
      });
    }
  }

  #pump(): void {
    while (!this.#busy) {
      const effect = this.#queue.shift();
      if (effect === undefined) {
        return;
      }
      this.#run(effect);
    }
  }

  #run(effect: BrokerLeaseEffect): void {
    if (effect.kind === 'persist') {
      const save = (): void => {
        effect.assignments.forEach((row) => this.#rows.set(keyOf(row), row));
        effect.brokers.forEach((row) => this.#brokerRows.set(row.name, row));
      };
      this.#busy = this.#world.bugs.grantsBeforePersist !== true;
      this.node.timers.after(this.#world.random.between(0.1, 5), () => {
        save();
        this.#busy = false;
        this.#pump();
      });
    } else if (effect.kind === 'probe') {
      this.#probe(effect);
    } else if (effect.kind === 'close') {
      this.#sessions.get(Number(effect.session))?.end.end();
      this.#sessions.delete(Number(effect.session));
    } else if (effect.kind === 'grant' || effect.kind === 'revoke') {
      this.#send(effect);
    }
  }

  #send(effect: Reply): void {
    const session = this.#sessions.get(Number(effect.session));
    if (session === undefined) {
      return;
    }
    const { broker, end } = session;
    if (effect.kind === 'grant') {
      effect.assignments.forEach((assignment) => {
        this.#checkGrant(assignment, broker.incarnationOf(Number(effect.session)));
      });
    }
    end.send(effect.kind, () => {
      broker.receive(Number(effect.session), effect);
    });
  }

  /** Epochs grow, are never shared by two processes, and are durable before anyone hears of them. */
  #checkGrant(assignment: LeaseAssignment, incarnation: number): void {
    const key = keyOf(assignment);
    const row = this.#rows.get(key);
    if (row === undefined || row.epoch < assignment.epoch) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted before it is durable`);
    }
    if (!this.#world.checksOwners) {
      return;
    }
    const former = this.#grantedTo.get(`${key}@${assignment.epoch}`) ?? incarnation;
    if (former !== incarnation || assignment.epoch < (this.#highest.get(key) ?? 0)) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted to ${incarnation}, after ${former} had it`);
    }
    this.#grantedTo.set(`${key}@${assignment.epoch}`, incarnation);
    this.#highest.set(key, assignment.epoch);
  }

  #probe({ probe, broker }: { probe: number; broker: string }): void {
    const target = this.#world.brokers.find(({ node }) => node.name === broker);
    const { network } = this.#world.simulation;
    this.node.timers.after(network.delayMs() * 2, () => {
      const cut =
        target === undefined || network.isCut(this.node, target.node) || network.isCut(target.node, this.node);
      const refused = (!cut && target.node.state === 'crashed') || this.#world.bugs.probeRefusesAlways === true;
      this.apply((leases, nowMs) => leases.probed({ probe, refused }, nowMs));
    });
  }
}
