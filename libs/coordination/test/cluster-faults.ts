import { type SeededRandom, type SimulationNode } from '@hermes/testing';

import { type SimulatedMeta } from './simulated-meta.js';
import { type ClusterWorld } from './cluster-world.js';
import { type SimulatedBroker } from './simulated-broker.js';
import { type SimulatedConsumer } from './simulated-consumer.js';

type Fault = (
  world: ClusterWorld,
  draw: {
    broker: SimulatedBroker;
    consumer: SimulatedConsumer;
    meta: SimulatedMeta;
    faults: SeededRandom;
    later: (end: () => void) => void;
  },
) => void;

/** A meta-server dies; its streams' ends reach brokers and consumers soon. */
function crashMeta({ brokers, consumers, simulation }: ClusterWorld, meta: SimulatedMeta, faults: SeededRandom): void {
  meta.node.crash();
  for (const one of [...brokers, ...consumers].filter((other) => other.isAt(meta))) {
    simulation.after(faults.between(0, 50), 'reset', () => {
      one.dropStream();
    });
  }
}

const FAULTS: Record<string, Fault> = {
  crash: (_, { broker, later }) => {
    if (broker.node.state !== 'crashed') {
      broker.node.crash();
      later(() => {
        broker.restart();
      });
    }
  },
  stall: (_, { broker, later }) => {
    broker.node.stall();
    later(() => {
      broker.node.resume();
    });
  },
  metaCrash: (world, { meta, faults, later }) => {
    if (meta.node.state !== 'crashed') {
      crashMeta(world, meta, faults);
      later(() => {
        meta.restart();
      });
    }
  },
  allMetasCrash: (world, { faults, later }) => {
    const running = world.metas.filter(({ node }) => node.state !== 'crashed');
    running.forEach((meta) => {
      crashMeta(world, meta, faults);
    });
    later(() => {
      running.forEach((meta) => {
        meta.restart();
      });
    });
  },
  metaStall: (_, { meta, later }) => {
    meta.node.stall();
    later(() => {
      meta.node.resume();
    });
  },
  leaderCrash: (world, { faults, later }) => {
    const { leader } = world;
    if (leader !== undefined) {
      crashMeta(world, leader, faults);
      later(() => {
        leader.restart();
      });
    }
  },
  leaderStall: ({ leader }, { later }) => {
    leader?.node.stall();
    later(() => {
      leader?.node.resume();
    });
  },
  databaseStall: ({ database }, { later }) => {
    database.node.stall();
    later(() => {
      database.node.resume();
    });
  },
  databaseCut: ({ simulation, database, metas, brokers }, { faults, later }) => {
    const { node } = faults.pick([...metas, ...brokers]);
    if (faults.chance(0.8)) {
      simulation.network.cut(node, database.node);
    }
    if (faults.chance(0.8)) {
      simulation.network.cut(database.node, node);
    }
    later(() => {
      simulation.network.heal();
    });
  },
  cut: ({ simulation }, { broker, meta, faults, later }) => {
    if (faults.chance(0.8)) {
      simulation.network.cut(broker.node, meta.node);
    }
    if (faults.chance(0.8)) {
      simulation.network.cut(meta.node, broker.node);
    }
    if (faults.chance(0.5)) {
      simulation.after(faults.between(100, 4_000), 'keepalive', () => {
        meta.dropSessionsOf(broker);
      });
    }
    later(() => {
      simulation.network.heal();
    });
  },
  /** Loses all meta-servers, lives by the database for a while, and loses that, too. */
  isolate: ({ simulation, metas, database }, { broker, faults, later }) => {
    const cut = (other: SimulationNode): void => {
      simulation.network.cut(broker.node, other);
      simulation.network.cut(other, broker.node);
    };
    metas.forEach((meta) => {
      cut(meta.node);
      meta.dropSessionsOf(broker);
    });
    broker.dropStream();
    simulation.after(faults.between(100, 8_000), 'no database either', () => {
      cut(database.node);
    });
    later(() => {
      simulation.network.heal();
    });
  },
  drop: (_, { broker }) => {
    broker.dropStream();
  },
  farDrop: (_, { broker, meta }) => {
    if (meta.node.state === 'running') {
      meta.dropSessionsOf(broker);
    }
  },
  drain: ({ leader }, { broker, faults }) => {
    leader?.apply((leases, nowMs) => leases.drain(broker.node.name, { cancel: faults.chance(0.5) }, nowMs));
  },
  move: ({ leader }, { broker, faults }) => {
    leader?.apply((leases, nowMs) => leases.move(faults.pick(leases.partitions()), broker.node.name, nowMs));
  },
  rebalance: ({ leader }) => {
    leader?.apply((leases, nowMs) => leases.rebalance(nowMs));
  },
  reopen: (_, { broker }) => {
    broker.reopen();
  },
  slow: ({ simulation }, { later }) => {
    simulation.network.set({ lag: 0.3, delayMaxMs: 200 });
    later(() => {
      simulation.network.set({ lag: 0, delayMaxMs: 2 });
    });
  },
};

const CONSUMER_FAULTS: Record<string, Fault> = {
  consumerCrash: (_, { consumer, later }) => {
    if (consumer.node.state !== 'crashed') {
      consumer.node.crash();
      later(() => {
        consumer.restart();
      });
    }
  },
  consumerStall: (_, { consumer, later }) => {
    consumer.node.stall();
    later(() => {
      consumer.node.resume();
    });
  },
  consumerCut: ({ simulation }, { consumer, meta, faults, later }) => {
    simulation.network.cut(consumer.node, meta.node);
    if (faults.chance(0.8)) {
      simulation.network.cut(meta.node, consumer.node);
    }
    if (faults.chance(0.3)) {
      meta.dropConsumer(consumer);
    }
    later(() => {
      simulation.network.heal();
    });
  },
  consumerDrop: (_, { consumer }) => {
    consumer.dropStream();
  },
  consumerLeave: (_, { consumer, faults, later }) => {
    consumer.leave();
    if (faults.chance(0.5)) {
      consumer.rejoin();
    } else {
      later(() => {
        consumer.rejoin();
      });
    }
  },
  anotherConsumer: (world) => {
    world.addConsumer();
  },
};

/** Names of all faults of everything but consumers; those that matter most come twice. */
export const CLUSTER_KINDS: readonly string[] = [...Object.keys(FAULTS), 'crash', 'cut'];
/** Names of faults of consumers. */
export const CONSUMER_KINDS: readonly string[] = [...Object.keys(CONSUMER_FAULTS), 'consumerCrash', 'consumerCut'];

/** One random fault, ended again by itself, after a random time unless `lastsMs` is given. */
export function injectFault(
  world: ClusterWorld,
  faults: SeededRandom,
  kinds: readonly string[],
  lastsMs = faults.pick([faults.between(50, 1_500), faults.between(1_500, 18_000)]),
): void {
  const broker = faults.pick(world.brokers);
  const consumer = faults.pick(world.consumers);
  const meta = faults.pick(world.metas);
  const kind = faults.pick(kinds);
  const later = (end: () => void): void => {
    world.simulation.after(lastsMs, `end of ${kind}`, end);
  };
  (FAULTS[kind] ?? CONSUMER_FAULTS[kind])?.(world, { broker, consumer, meta, faults, later });
}
