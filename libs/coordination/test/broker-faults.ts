import { type SeededRandom, type SimulationNode } from '@hermes/testing';

import { type BrokerMeta } from './broker-meta.js';
import { type BrokerWorld } from './broker-world.js';
import { type SimulatedBroker } from './simulated-broker.js';

type Fault = (
  world: BrokerWorld,
  draw: { broker: SimulatedBroker; meta: BrokerMeta; faults: SeededRandom; later: (end: () => void) => void },
) => void;

/** A meta-server dies; its streams' ends reach the brokers soon. */
function crashMeta({ brokers, simulation }: BrokerWorld, meta: BrokerMeta, faults: SeededRandom): void {
  meta.node.crash();
  for (const broker of brokers.filter((one) => one.isAt(meta))) {
    simulation.after(faults.between(0, 50), 'reset', () => {
      broker.dropStream();
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

/** Names of all faults; those that matter most come twice. */
export const ALL_KINDS: readonly string[] = [...Object.keys(FAULTS), 'crash', 'cut'];

/** One random fault, ended again by itself. */
export function injectFault(world: BrokerWorld, faults: SeededRandom, kinds: readonly string[]): void {
  const broker = faults.pick(world.brokers);
  const meta = faults.pick(world.metas);
  const lastsMs = faults.pick([faults.between(50, 1_500), faults.between(1_500, 18_000)]);
  const kind = faults.pick(kinds);
  const later = (end: () => void): void => {
    world.simulation.after(lastsMs, `end of ${kind}`, end);
  };
  FAULTS[kind]?.(world, { broker, meta, faults, later });
}
