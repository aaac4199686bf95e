import { type Simulation } from '@hermes/testing';

import { type ConsumerLeases, type ConsumerLeasesOptions, type HeldPartition } from '../src/index.js';
import { ConsumerMeta, PARTITIONS, TTL_MS } from './consumer-meta.js';
import { SimulatedConsumer } from './simulated-consumer.js';

/** What a planted bug replaces; tests alone use it. */
export interface ConsumerBugs {
  readonly createLeases?: (options: ConsumerLeasesOptions) => ConsumerLeases;
}

/** A meta-server, consumers of one EXCLUSIVE group, and the broker that judges by consumer_epoch. */
export class ConsumerWorld {
  readonly simulation: Simulation;
  readonly bugs: ConsumerBugs;
  readonly random;
  readonly meta: ConsumerMeta;
  readonly consumers: SimulatedConsumer[] = [];
  /** Highest consumer_epoch per partition, who subscribed with it, and when it last settled. */
  readonly judge = new Map<number, { epoch: number; consumer: SimulatedConsumer; settledAtMs: number }>();
  #sessions = 0;

  constructor(simulation: Simulation, bugs: ConsumerBugs = {}) {
    this.simulation = simulation;
    this.bugs = bugs;
    this.random = simulation.random('world');
    this.meta = new ConsumerMeta(this, simulation.node('meta', { clockRate: this.#rate() }));
  }

  addConsumer(): void {
    const node = this.simulation.node(`c${this.consumers.length}`, { clockRate: this.#rate() });
    this.consumers.push(new SimulatedConsumer(this, node));
  }

  nextSession(): number {
    return ++this.#sessions;
  }

  /** The broker's part: stores the highest epoch before it answers, refuses lower ones, in Subscribe and settles. */
  settle(consumer: SimulatedConsumer, { partition, epoch }: HeldPartition): boolean {
    const known = this.judge.get(partition);
    if (known !== undefined && epoch < known.epoch) {
      return false;
    }
    if (known?.epoch === epoch && known.consumer !== consumer) {
      throw new Error(
        `${partition}: ${consumer.node.name} settles with the consumer epoch ${epoch} of another consumer`,
      );
    }
    this.judge.set(partition, { epoch, consumer, settledAtMs: this.simulation.nowMs });
    return true;
  }

  /** At most one running consumer believes its lease valid; after an election that takes until the old leases end. */
  checkHolders(): void {
    if (this.simulation.nowMs < this.meta.electedAtMs + TTL_MS + 1_000 && this.meta.elections > 0) {
      return;
    }
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const holders = this.consumers.filter((consumer) => consumer.holds(partition));
      if (holders.length > 1) {
        throw new Error(`${partition} has two consumers: ${holders.map(({ node }) => node.name).join(', ')}`);
      }
    }
  }

  checkServed(withinMs: number): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const settledAtMs = this.judge.get(partition)?.settledAtMs ?? -1;
      if (settledAtMs < this.simulation.nowMs - withinMs) {
        throw new Error(`${partition} has no consumer; last settled at ${settledAtMs.toFixed(0)} ms`);
      }
    }
  }

  #rate(): number {
    return this.random.between(0.98, 1.02);
  }
}
