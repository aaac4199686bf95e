import { findFailure, runSeeds, type Simulation } from '@hermes/testing';

import { ConsumerLeases, type ConsumerJoin, type HeldPartition } from '../src/index.js';
import { TTL_MS } from './consumer-meta.js';
import { type ConsumerBugs, ConsumerWorld } from './consumer-world.js';

const FAULTS_MS = 30_000;
const HEALED_MS = 2 * TTL_MS + 4_000;

function injectFault(world: ConsumerWorld, faults: ReturnType<Simulation['random']>): void {
  const { simulation, meta } = world;
  const { network } = simulation;
  const consumer = faults.pick(world.consumers);
  const lastsMs = faults.pick([faults.between(50, 1_500), faults.between(1_500, 18_000)]);
  const kind = faults.pick([
    'crash',
    'crash',
    'stall',
    'meta crash',
    'meta stall',
    'cut',
    'cut',
    'drop',
    'rejoin',
    'another',
  ]);
  const later = (end: () => void): void => {
    simulation.after(lastsMs, `end of ${kind}`, end);
  };
  switch (kind) {
    case 'crash':
      if (consumer.node.state !== 'crashed') {
        consumer.node.crash();
        later(() => {
          consumer.restart();
        });
      }
      break;
    case 'stall':
      consumer.node.stall();
      later(() => {
        consumer.node.resume();
      });
      break;
    case 'meta crash':
      if (meta.node.state !== 'crashed') {
        meta.node.crash();
        world.consumers.forEach((one) => {
          simulation.after(faults.between(0, 50), 'reset', () => {
            one.dropStream();
          });
        });
        later(() => {
          meta.restart();
        });
      }
      break;
    case 'meta stall':
      meta.node.stall();
      later(() => {
        meta.node.resume();
      });
      break;
    case 'cut':
      network.cut(consumer.node, meta.node);
      if (faults.chance(0.8)) {
        network.cut(meta.node, consumer.node);
      }
      later(() => {
        network.heal();
      });
      break;
    case 'drop':
      consumer.dropStream();
      break;
    case 'rejoin':
      consumer.rejoin();
      break;
    case 'another':
      world.addConsumer();
      break;
  }
}

const scenario =
  (bugs: ConsumerBugs = {}) =>
  (simulation: Simulation): void => {
    const world = new ConsumerWorld(simulation, bugs);
    const faults = simulation.random('faults');
    for (let i = faults.integer(1, 3); i > 0; i--) {
      world.addConsumer();
    }
    for (let i = faults.integer(1, 8); i > 0; i--) {
      simulation.after(faults.between(500, FAULTS_MS), 'fault', () => {
        injectFault(world, faults);
      });
    }
    const check = (): void => {
      world.checkHolders();
    };
    simulation.run(FAULTS_MS + 18_000, check);
    simulation.network.heal();
    simulation.run(simulation.nowMs + HEALED_MS, check);
    world.checkServed(4_000);
  };

class AppliesOldReleases extends ConsumerLeases {
  readonly #epochs = new Map<string, number>();

  override released(
    session: number,
    member: number,
    held: HeldPartition,
    nowMs: number,
  ): ReturnType<ConsumerLeases['released']> {
    const epoch = this.#epochs.get(`${session} ${held.partition}`) ?? held.epoch;
    return super.released(session, member, { ...held, epoch }, nowMs);
  }

  override tick(nowMs: number): ReturnType<ConsumerLeases['tick']> {
    const effects = super.tick(nowMs);
    for (const effect of effects) {
      for (const { partition, epoch } of effect.kind === 'grant' ? effect.assignments : []) {
        this.#epochs.set(`${effect.session} ${partition}`, epoch);
      }
    }
    return effects;
  }
}

/** Takes a stream's end for the end of its consumers' leases. */
class EndsWithTheStream extends ConsumerLeases {
  override sessionEnded(session: number, nowMs: number): ReturnType<ConsumerLeases['sessionEnded']> {
    return [...super.leave(session, 1, nowMs), ...super.sessionEnded(session, nowMs)];
  }
}

/** Grants to the next without waiting for the release. */
class RevokesAreReleases extends ConsumerLeases {
  override tick(nowMs: number): ReturnType<ConsumerLeases['tick']> {
    const effects = super.tick(nowMs);
    return effects.flatMap((effect) =>
      effect.kind === 'revoke'
        ? [effect, ...super.released(effect.session, effect.member, effect.assignment, nowMs)]
        : [effect],
    );
  }
}

/** Believes whatever a consumer says that it holds. */
class BelievesClaims extends ConsumerLeases {
  override join(session: number, from: ConsumerJoin, nowMs: number): ReturnType<ConsumerLeases['join']> {
    const held = from.held.map((one) => ({ ...one, epoch: one.epoch % 2 ** 24 }));
    return super.join(session, { ...from, held }, nowMs);
  }
}

describe('consumer leases of an EXCLUSIVE group under faults', () => {
  it('never have two holders, never share a consumer_epoch, and serve every partition once healed', () => {
    runSeeds({ seeds: 600, scenario: scenario() });
  });

  describe('planted bugs are found', () => {
    const found = (bugs: ConsumerBugs): string | undefined =>
      findFailure({ seeds: 3_000, scenario: scenario(bugs) })?.message;

    it('consumer epochs that start anew after an election', () => {
      const createLeases: ConsumerBugs['createLeases'] = (options) =>
        new ConsumerLeases({ ...options, leadershipEpoch: 1 });
      expect(found({ createLeases })).toMatch(/of another consumer|no consumer/);
    });

    it('a release of an old epoch that is applied', () => {
      expect(found({ createLeases: (options) => new AppliesOldReleases(options) })).toMatch(/two consumers/);
    });

    it('a lease that ends with its stream', () => {
      expect(found({ createLeases: (options) => new EndsWithTheStream(options) })).toMatch(/two consumers/);
    });

    it('a grant to the next before the release', () => {
      expect(found({ createLeases: (options) => new RevokesAreReleases(options) })).toMatch(/two consumers/);
    });

    it('a leader without margin', () => {
      const createLeases: ConsumerBugs['createLeases'] = (options) =>
        new ConsumerLeases({ ...options, marginMs: -2_000 });
      expect(found({ createLeases })).toMatch(/two consumers/);
    });

    it('a claim taken at its word', () => {
      expect(found({ createLeases: (options) => new BelievesClaims(options) })).toMatch(
        /two consumers|of another|no consumer/,
      );
    });
  });
});
