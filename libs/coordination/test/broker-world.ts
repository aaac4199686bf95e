import { type Simulation, type SimulationNode } from '@hermes/testing';

import {
  type BrokerLeases,
  type BrokerLeasesOptions,
  type LeasedTopic,
  type LeaseHolder,
  type PersistedAssignment,
} from '../src/index.js';
import { BrokerMeta } from './broker-meta.js';
import { FencedStore, keyOf } from './fenced-store.js';
import { SimulatedBroker } from './simulated-broker.js';

/** What a planted bug replaces; tests alone use it. */
export interface BrokerBugs {
  readonly createLeases?: (options: BrokerLeasesOptions) => BrokerLeases;
  readonly createHolder?: () => LeaseHolder;
  /** What a restarted meta-server finds in its database. */
  readonly load?: (rows: PersistedAssignment[]) => PersistedAssignment[];
  readonly probeRefusesAlways?: boolean;
  readonly grantsBeforePersist?: boolean;
}

/** A meta-server, brokers, a store, and everything that must hold between them. */
export class BrokerWorld {
  readonly simulation: Simulation;
  readonly bugs: BrokerBugs;
  readonly store = new FencedStore();
  readonly brokers: SimulatedBroker[] = [];
  readonly meta: BrokerMeta;
  readonly random;
  readonly topics: LeasedTopic[];
  /** Off where clocks or backups are broken on purpose: there the store alone judges. */
  checksOwners = true;
  #sessions = 0;
  #incarnations = 0;

  constructor(simulation: Simulation, bugs: BrokerBugs = {}) {
    this.simulation = simulation;
    this.bugs = bugs;
    this.random = simulation.random('world');
    const brokerGroup = '';
    this.topics = [
      { name: 'm', partitions: 3, revision: 1, brokerGroup, embedded: false },
      { name: 'e', partitions: 2, revision: 1, brokerGroup, embedded: true },
    ];
    this.meta = new BrokerMeta(this, simulation.node('meta', { clockRate: this.#rate() }));
  }

  addBroker(): void {
    const number = this.brokers.length;
    const node = this.simulation.node(`b${number}`, { clockRate: this.#rate() });
    this.brokers.push(new SimulatedBroker(this, node, number));
  }

  nextSession(): number {
    return ++this.#sessions;
  }

  nextIncarnation(): number {
    return ++this.#incarnations;
  }

  /** At most one running process believes its lease of a partition valid. */
  checkOwners(): void {
    if (!this.checksOwners) {
      return;
    }
    for (const topic of this.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const owners = this.brokers.filter((broker) => broker.owns(topic.name, partition));
        if (owners.length > 1) {
          const names = owners.map(({ node, incarnation }) => `${node.name}#${incarnation}`).join(', ');
          throw new Error(`${topic.name}/${partition} has two owners: ${names}`);
        }
      }
    }
  }

  /** Every partition was written to within `withinMs`. */
  checkServed(withinMs: number): void {
    for (const topic of this.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        const writtenAtMs = this.store.writtenAtMs.get(keyOf({ topic: topic.name, partition })) ?? -1;
        if (writtenAtMs < this.simulation.nowMs - withinMs) {
          throw new Error(`${topic.name}/${partition} is not served; last write at ${writtenAtMs.toFixed(0)} ms`);
        }
      }
    }
  }

  /** Runs `ask` at the store and `answer` back at the broker's process. */
  callStore(from: SimulationNode, ask: () => () => void): void {
    const life = from.life;
    const { network } = this.simulation;
    this.simulation.after(network.delayMs(), 'store', () => {
      const answer = ask();
      this.simulation.after(network.delayMs(), 'store answers', () => {
        from.deliver(answer, life);
      });
    });
  }

  /** Both clocks of a pair differ by less than the margin covers. */
  #rate(): number {
    return this.random.between(0.98, 1.02);
  }
}
