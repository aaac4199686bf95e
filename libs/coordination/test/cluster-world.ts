import { type Simulation, type SimulationNode } from '@hermes/testing';

import {
  type BrokerLeases,
  type BrokerLeasesOptions,
  type ConsumerLeases,
  type ConsumerLeasesOptions,
  type LeaseAssignment,
  type LeasedTopic,
  type LeaseHolder,
  type PersistedAssignment,
} from '../src/index.js';
import { SimulatedMeta } from './simulated-meta.js';
import { CONSUMER_TTL_MS, GROUP } from './consumer-desk.js';
import { ConsumerStore, type ConsumerStoreBugs } from './consumer-store.js';
import { Consumption } from './consumption.js';
import { FencedStore, keyOf } from './fenced-store.js';
import { SimulatedBroker } from './simulated-broker.js';
import { SimulatedConsumer } from './simulated-consumer.js';
import { SimulatedDatabase } from './simulated-database.js';

/** What a planted bug replaces; tests alone use it. */
export interface ClusterBugs extends ConsumerStoreBugs {
  readonly createConsumerLeases?: (options: ConsumerLeasesOptions) => ConsumerLeases;
  readonly createLeases?: (options: BrokerLeasesOptions) => BrokerLeases;
  readonly createHolder?: () => LeaseHolder;
  /** What a restarted meta-server finds in its database. */
  readonly load?: (rows: PersistedAssignment[]) => PersistedAssignment[];
  readonly probeRefusesAlways?: boolean;
  readonly grantsBeforePersist?: boolean;
  /** A leader that was deposed goes on answering, until the database tells it. */
  readonly believesForEver?: boolean;
  /** The database takes a deposed leader's rows. */
  readonly writesUnfenced?: boolean;
  /** The database ends leases that were renewed there. */
  readonly takesRenewedLeases?: boolean;
  /** Brokers count a renewal in the database from its answer. */
  readonly renewsFromReceipt?: boolean;
}

/** Of a topic that needs a data source and a data directory. */
const BOTH = { names: ['k1'], named: true };

/** Meta-servers, their database, brokers, a store, consumers, and everything that must hold between them. */
export class ClusterWorld {
  readonly simulation: Simulation;
  readonly bugs: ClusterBugs;
  readonly store = new FencedStore();
  readonly consumerStore: ConsumerStore;
  readonly consumption = new Consumption();
  readonly brokers: SimulatedBroker[] = [];
  readonly consumers: SimulatedConsumer[] = [];
  readonly metas: SimulatedMeta[] = [];
  readonly database: SimulatedDatabase;
  readonly random;
  readonly topics: LeasedTopic[];
  /** Off where clocks or backups are broken on purpose: there the store alone judges. */
  checksOwners = true;
  /** When somebody began to lead. */
  electedAtMs = 0;
  readonly #grantedTo = new Map<string, number>();
  readonly #highest = new Map<string, number>();
  #sessions = 0;
  #incarnations = 0;

  constructor(simulation: Simulation, bugs: ClusterBugs = {}) {
    this.simulation = simulation;
    this.bugs = bugs;
    this.random = simulation.random('world');
    this.consumerStore = new ConsumerStore(this.store, this.consumption, bugs);
    const brokerGroup = '';
    this.topics = [
      { name: 'm', partitions: 3, revision: 1, brokerGroup, inDataDirectory: false },
      { name: 'e', partitions: 2, revision: 1, brokerGroup, inDataDirectory: true },
      { ...{ name: 'k', partitions: 1, revision: 1, brokerGroup, inDataDirectory: true }, dataSources: BOTH },
    ];
    this.database = new SimulatedDatabase(this, simulation.node('database', { clockRate: this.#rate() }));
  }

  addMeta(): void {
    const node = this.simulation.node(`m${this.metas.length}`, { clockRate: this.#rate() });
    this.metas.push(new SimulatedMeta(this, node));
  }

  /** Who leads, if anybody does. */
  get leader(): SimulatedMeta | undefined {
    return this.metas.find((meta) => meta.leads);
  }

  addBroker(): void {
    const number = this.brokers.length;
    const node = this.simulation.node(`b${number}`, { clockRate: this.#rate() });
    this.brokers.push(new SimulatedBroker(this, node, number));
  }

  addConsumer(): void {
    const node = this.simulation.node(`c${this.consumers.length}`, { clockRate: this.#rate() });
    this.consumers.push(new SimulatedConsumer(this, node));
  }

  brokerAt(endpoint: string): SimulatedBroker | undefined {
    return this.brokers.find((broker) => broker.endpoint === endpoint);
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

  /** The same for consumers; after an election leases of before must have ended first: until then brokers judge. */
  checkHolders(): void {
    if (this.simulation.nowMs < this.electedAtMs + CONSUMER_TTL_MS + 1_000) {
      return;
    }
    for (let partition = 0; partition < GROUP.partitions; partition++) {
      const holders = this.consumers.filter((consumer) => consumer.holds(partition));
      if (holders.length > 1) {
        throw new Error(`${partition} has two consumers: ${holders.map(({ node }) => node.name).join(', ')}`);
      }
    }
  }

  /** Epochs grow, are never shared by two processes, and are durable before anyone hears of them. */
  checkGrant(assignment: LeaseAssignment, incarnation: number): void {
    const key = keyOf(assignment);
    const row = this.database.rows.get(key);
    if (row === undefined || row.epoch < assignment.epoch) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted before it is durable`);
    }
    if (!this.checksOwners) {
      return;
    }
    const former = this.#grantedTo.get(`${key}@${assignment.epoch}`) ?? incarnation;
    if (former !== incarnation || assignment.epoch < (this.#highest.get(key) ?? 0)) {
      throw new Error(`${key}: epoch ${assignment.epoch} is granted to ${incarnation}, after ${former} had it`);
    }
    this.#grantedTo.set(`${key}@${assignment.epoch}`, incarnation);
    this.#highest.set(key, assignment.epoch);
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

  /** Every partition was settled within `withinMs`. */
  checkConsumed(withinMs: number): void {
    for (let partition = 0; partition < GROUP.partitions; partition++) {
      const settledAtMs = this.consumption.settledAtMs(keyOf({ topic: GROUP.topic, partition }));
      if (settledAtMs < this.simulation.nowMs - withinMs) {
        throw new Error(`${partition} has no consumer; last settled at ${settledAtMs.toFixed(0)} ms`);
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
