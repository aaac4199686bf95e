import { join } from 'node:path';

import { findFailure, runSeeds, type Simulation } from '@hermes/testing';
import { loadWithBug, type PlantedBug } from '@hermes/testing/planted-bug';

import { type ConsumerJoin, ConsumerLeases, type HeldPartition } from '../src/index.js';
import type * as library from '../src/index.js';
import { CLUSTER_KINDS, CONSUMER_KINDS, injectFault } from './cluster-faults.js';
import { checkOf, populate, scenario } from './cluster-scenario.js';
import { type ClusterBugs, ClusterWorld } from './cluster-world.js';
import { CONSUMER_TTL_MS } from './consumer-desk.js';

/** Everybody is there and has what it should have. */
const SETTLED_MS = 8_000;

/** A calm cluster of three meta-servers, two brokers and two or three consumers, to which one thing happens. */
const calm =
  (bugs: ClusterBugs, happens: (world: ClusterWorld, random: ReturnType<Simulation['random']>) => void) =>
  (simulation: Simulation): void => {
    const world = new ClusterWorld(simulation, bugs);
    const random = simulation.random('happens');
    populate(world, { metas: 3, brokers: 2, consumers: random.integer(2, 3) });
    const check = checkOf(world);
    simulation.run(SETTLED_MS, check);
    happens(world, random);
    simulation.run(simulation.nowMs + 40_000, check);
    world.checkConsumed(4_000);
  };

/** Leaders die, and nobody who was there loses anything: what consumers name as held is theirs under the next leader. */
const leadersDie = (bugs: ClusterBugs = {}): ((simulation: Simulation) => void) =>
  calm(bugs, (world, random) => {
    const { simulation, consumption } = world;
    const { moves } = consumption;
    for (const afterMs of [0, 16_000]) {
      simulation.after(afterMs + random.between(0, 4_000), 'the leader dies', () => {
        injectFault(world, random, ['leaderCrash']);
      });
    }
    simulation.after(39_000, 'look', () => {
      if (consumption.moves > moves) {
        throw new Error(`${consumption.moves - moves} partitions got another consumer though all were there`);
      }
    });
  });

/** A consumer is paused for longer than its lease: others have its work soon after that ends. */
const consumerIsPaused = (bugs: ClusterBugs = {}): ((simulation: Simulation) => void) =>
  calm(bugs, (world, random) => {
    // Margin, clocks of different speed, and rounds of work: the last one's before, and two of the next one's.
    world.consumption.gapMaxMs = CONSUMER_TTL_MS + 8_000;
    const { node } = random.pick(world.consumers);
    node.stall();
    world.simulation.after(random.between(CONSUMER_TTL_MS + 9_000, 30_000), 'goes on', () => {
      node.resume();
    });
  });

/** A consumer is paused, and goes on just when the brokers have started anew: what it had begun before comes to new owners. */
const ownersRestartMeanwhile = (bugs: ClusterBugs = {}): ((simulation: Simulation) => void) =>
  calm(bugs, ({ simulation, consumers, brokers }, random) => {
    const { node } = random.pick(consumers);
    node.stall();
    const restartMs = random.between(CONSUMER_TTL_MS + 4_000, 20_000);
    for (const broker of brokers) {
      simulation.after(restartMs, 'broker crashes', () => {
        broker.node.crash();
      });
      simulation.after(restartMs + 100, 'broker restarts', () => {
        broker.restart();
      });
    }
    simulation.after(restartMs + random.between(100, 2_000), 'goes on', () => {
      node.resume();
    });
  });

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

const SOURCES = join(__dirname, '..', 'src', 'index.ts');

type World = (bugs: ClusterBugs) => (simulation: Simulation) => void;

/** Lines of the library itself, changed as a careless hand might, and where that is seen. */
const PLANTED_LINES: readonly (readonly [string, World, PlantedBug, RegExp])[] = [
  [
    'a new leader that does not wait for former holders',
    leadersDie,
    { file: 'consumer-group.ts', code: 'if (nowMs < this.#dealFromMs) {', instead: 'if (nowMs < 0) {' },
    /another consumer though/,
  ],
  [
    'a new leader that adopts nothing',
    leadersDie,
    { file: 'exclusive-partitions.ts', code: 'if (kept || brought) {', instead: 'if (kept) {' },
    /another consumer though/,
  ],
  [
    'a lease that lasts too long',
    consumerIsPaused,
    {
      file: 'consumer-streams.ts',
      code: 'stream.untilMs = nowMs + this',
      instead: 'stream.untilMs = 9 * nowMs + this',
    },
    /no consumer/,
  ],
];

describe('consumer leases of an EXCLUSIVE group under faults', () => {
  it('never have two holders, never share an epoch or a token, and serve every partition once healed', () => {
    const kinds = [...CLUSTER_KINDS, ...CONSUMER_KINDS, ...CONSUMER_KINDS];
    runSeeds({ seeds: 600, scenario: scenario({ kinds, consumersMax: 3 }) });
  });

  it('stay where they are when leaders die', () => {
    runSeeds({ seeds: 60, scenario: leadersDie() });
  });

  it('go to others after a paused consumer’s lease has ended', () => {
    runSeeds({ seeds: 60, scenario: consumerIsPaused() });
  });

  it('are judged by the stored epoch where a paused consumer wakes up before new owners', () => {
    runSeeds({ seeds: 60, scenario: ownersRestartMeanwhile() });
  });

  describe('planted bugs are found', () => {
    const found = (bugs: ClusterBugs, kinds: readonly string[] = CONSUMER_KINDS): string | undefined =>
      findFailure({ seeds: 3_000, scenario: scenario({ bugs, kinds, consumersMax: 3 }) })?.message;
    const made = (
      createConsumerLeases: NonNullable<ClusterBugs['createConsumerLeases']>,
      kinds: readonly string[] = [...CONSUMER_KINDS, 'leaderCrash'],
    ): string | undefined => found({ createConsumerLeases }, kinds);

    it('consumer epochs that start anew after an election', () => {
      expect(made((options) => new ConsumerLeases({ ...options, leadershipEpoch: 1 }))).toMatch(
        /consumer epoch \d+ goes to/,
      );
    });

    it('a release of an old epoch that is applied', () => {
      expect(made((options) => new AppliesOldReleases(options), ['consumerLeave'])).toMatch(/two consumers/);
    });

    it('a lease that ends with its stream', () => {
      expect(made((options) => new EndsWithTheStream(options))).toMatch(/two consumers/);
    });

    it('a grant to the next before the release', () => {
      expect(made((options) => new RevokesAreReleases(options))).toMatch(/two consumers/);
    });

    it('a leader without margin', () => {
      expect(made((options) => new ConsumerLeases({ ...options, marginMs: -2_000 }))).toMatch(/two consumers/);
    });

    it('a claim taken at its word', () => {
      expect(made((options) => new BelievesClaims(options))).toMatch(/two consumers|goes to|no consumer/);
    });

    it('a new owner that forgets the consumer epochs', () => {
      const failure = findFailure({ seeds: 300, scenario: ownersRestartMeanwhile({ forgetsConsumerEpochs: true }) });
      expect(failure?.message).toMatch(/is accepted at/);
    });

    it('tokens that a new owner counts anew', () => {
      expect(found({ countsTokensAnew: true }, ['move', 'crash', 'consumerCrash'])).toMatch(/token \d+ of/);
    });

    it.each(PLANTED_LINES)('in a line of the library: %s', (_, world, bug, reason) => {
      const code = loadWithBug(SOURCES, bug) as typeof library;
      const createConsumerLeases: ClusterBugs['createConsumerLeases'] = (options) => new code.ConsumerLeases(options);
      expect(findFailure({ seeds: 100, scenario: world({ createConsumerLeases }) })?.message).toMatch(reason);
    });
  });
});
