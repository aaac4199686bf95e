import { type Simulation } from '@hermes/testing';

import { CLUSTER_KINDS, injectFault } from './cluster-faults.js';
import { type ClusterBugs, ClusterWorld } from './cluster-world.js';
import { LEADERSHIP_TTL_MS } from './simulated-database.js';
import { TTL_MS } from './simulated-meta.js';

const FAULTS_MS = 30_000;
/** Somebody is elected, leases of before end (also by the database), and everything is opened again. */
const HEALED_MS = LEADERSHIP_TTL_MS + 3 * TTL_MS + 4_000;
/** Once healed, each partition is written to and settled within this. */
const SERVED_MS = 4_000;

/** What differs from a cluster with one consumer and all faults of everything else. */
export interface ScenarioOptions {
  readonly bugs?: ClusterBugs;
  readonly prepare?: (world: ClusterWorld) => void;
  /** Faults that happen: a rare bug is found sooner among few. */
  readonly kinds?: readonly string[];
  readonly consumersMax?: number;
}

/** Faults first, under which safety must hold; then everything heals, and every partition must be served and consumed. */
export function scenario(options: ScenarioOptions = {}): (simulation: Simulation) => void {
  const { bugs = {}, prepare, kinds = CLUSTER_KINDS, consumersMax = 1 } = options;
  return (simulation) => {
    const world = new ClusterWorld(simulation, bugs);
    const faults = simulation.random('faults');
    prepare?.(world);
    populate(world, { metas: faults.integer(1, 3), brokers: faults.integer(1, 3), consumers: consumersMax });
    simulation.after(faults.between(0, 20_000), 'one more broker', () => {
      world.addBroker();
    });
    for (let i = faults.integer(1, 8); i > 0; i--) {
      simulation.after(faults.between(500, FAULTS_MS), 'fault', () => {
        injectFault(world, faults, kinds);
      });
    }
    const check = checkOf(world);
    simulation.run(FAULTS_MS + 18_000, check);
    simulation.network.heal();
    simulation.network.set({ lag: 0, delayMaxMs: 2 });
    world.consumers.forEach((consumer) => {
      consumer.rejoin();
    });
    simulation.run(simulation.nowMs + 2 * LEADERSHIP_TTL_MS, check);
    for (const { node } of world.brokers) {
      world.leader?.apply((leases, nowMs) => leases.drain(node.name, { cancel: true }, nowMs));
    }
    simulation.run(simulation.nowMs + HEALED_MS, check);
    world.checkServed(SERVED_MS);
    world.checkConsumed(SERVED_MS);
  };
}

/** What is checked after every event. */
export function checkOf(world: ClusterWorld): () => void {
  return () => {
    world.checkOwners();
    world.checkHolders();
  };
}

export function populate(
  world: ClusterWorld,
  { metas, brokers, consumers }: { readonly metas: number; readonly brokers: number; readonly consumers: number },
): void {
  for (let i = 0; i < metas; i++) {
    world.addMeta();
  }
  for (let i = 0; i < brokers; i++) {
    world.addBroker();
  }
  for (let i = 0; i < consumers; i++) {
    world.addConsumer();
  }
}
