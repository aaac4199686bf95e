import { join } from 'node:path';

import { findFailure, runSeeds } from '@hermes/testing';
import { loadWithBug, type PlantedBug } from '@hermes/testing/planted-bug';

import { BrokerLeases, type HeldPartition, LeaseHolder, type LeaseChange, type ReceivedGrant } from '../src/index.js';
import type * as library from '../src/index.js';
import { CLUSTER_KINDS, injectFault } from './cluster-faults.js';
import { scenario } from './cluster-scenario.js';
import { type ClusterBugs, type ClusterWorld } from './cluster-world.js';

class RenewsFromReceipt extends LeaseHolder {
  override granted(stream: number, grant: ReceivedGrant, now: { monotonicMs: number; wallMs: number }): LeaseChange {
    const left = this.#sentAtMs.get(grant.sequence);
    return super.granted(stream, { ...grant, ttlMs: grant.ttlMs + now.monotonicMs - (left ?? now.monotonicMs) }, now);
  }

  override heartbeat(now: { monotonicMs: number; wallMs: number }): ReturnType<LeaseHolder['heartbeat']> {
    const sent = super.heartbeat(now);
    this.#sentAtMs.set(sent.sequence ?? 0, now.monotonicMs);
    return sent;
  }

  readonly #sentAtMs = new Map<number, number>();
}

class NeverExpires extends LeaseHolder {
  override valid(topic: string, partition: number): boolean {
    return this.assignments.some((held) => held.topic === topic && held.partition === partition);
  }

  override tick(): LeaseChange {
    return { opened: [], closed: [], updated: [], expired: false };
  }
}

class AppliesOldReleases extends BrokerLeases {
  override released(
    session: number,
    { topic, partition }: HeldPartition,
    nowMs: number,
  ): ReturnType<BrokerLeases['released']> {
    const epoch = this.partitions(topic)[partition]?.epoch ?? 0;
    return super.released(session, { topic, partition, epoch }, nowMs);
  }
}

class IgnoresObserved extends BrokerLeases {
  override epochTooLow(
    session: number,
    held: HeldPartition,
    _: number,
    nowMs: number,
  ): ReturnType<BrokerLeases['epochTooLow']> {
    return super.epochTooLow(session, held, 0, nowMs);
  }
}

const SOURCES = join(__dirname, '..', 'src', 'index.ts');

/** Lines of the library itself, changed as a careless hand might. */
const PLANTED_LINES: readonly (readonly [string, PlantedBug, RegExp])[] = [
  [
    'an epoch that does not grow at a new grant',
    { file: 'partition-table.ts', code: 'partition.epoch += 1;', instead: '' },
    /epoch|two owners/,
  ],
  [
    'a lease given up before its holder does',
    { file: 'broker-leases.ts', code: 'nowMs + this.#ttlMs + this.#marginMs', instead: 'nowMs + this.#ttlMs / 2' },
    /two owners/,
  ],
  [
    'a holder that believes in a longer lease',
    { file: 'lease-term.ts', code: 'sentAtMs + ttlMs', instead: 'sentAtMs + 2 * ttlMs' },
    /two owners/,
  ],
  [
    'a grant that crossed a release brings the partition back',
    {
      file: 'held-assignments.ts',
      code: 'assignment.epoch > released',
      instead: 'assignment.epoch > -1',
    },
    /two owners|passes at epoch|not served/,
  ],
  [
    'a process that comes back keeps what it does not name',
    {
      file: 'broker-leases.ts',
      code: 'if (!kept.has(partition)) {',
      instead: 'if (kept.has(partition) && kept.size < 0) {',
    },
    /not served/,
  ],
];

describe('broker leases under faults', () => {
  it('never have two owners, never reuse an epoch, and serve every partition once healed', () => {
    const report = runSeeds({ seeds: 1_000, scenario: scenario() });
    expect(report.events).toBeGreaterThan(1_000);
  });

  it('play the same seed the same way', () => {
    const hashes = [1, 2].map(() => {
      let hash = '';
      runSeeds({
        seeds: 1,
        seed: 42,
        scenario: (simulation) => {
          scenario()(simulation);
          hash = simulation.trace.hash;
        },
      });
      return hash;
    });
    expect(hashes[0]).toBe(hashes[1]);
  });

  const restoresBackup = (world: ClusterWorld): void => {
    // Another database than the brokers knew: owners may overlap, and the store alone keeps them apart.
    world.checksOwners = false;
    for (const topic of world.topics) {
      for (let partition = 0; partition < topic.partitions; partition++) {
        world.store.open(`${topic.name}/${partition}`, 1_000, -1);
      }
    }
  };

  it('raise epochs above what storage has seen when metadata come from an old backup', () => {
    runSeeds({ seeds: 100, scenario: scenario({ prepare: restoresBackup }) });
  });

  describe('planted bugs are found', () => {
    /** An answer takes longer than the margin covers, and a statement of the database less than it is waited for. */
    const lag = ({ simulation }: ClusterWorld): void => {
      simulation.network.set({ lag: 0.5, delayMaxMs: 60 });
    };
    /** One broker renews in the database, which answers late, then reaches nobody until its leases have ended. */
    const longAlone = (world: ClusterWorld): void => {
      const { simulation } = world;
      lag(world);
      simulation.after(8_000, 'alone', () => {
        injectFault(world, simulation.random('alone'), ['isolate'], 27_000);
      });
      simulation.after(16_500, 'the network is fast again', () => {
        simulation.network.set({ lag: 0 });
      });
    };
    /** `kinds` are the faults that a rare bug needs: all of them, unless that would take long. */
    const found = (
      bugs: ClusterBugs,
      prepare: (world: ClusterWorld) => void = () => undefined,
      kinds: readonly string[] = CLUSTER_KINDS,
    ): string | undefined => findFailure({ seeds: 3_000, scenario: scenario({ bugs, prepare, kinds }) })?.message;

    it('an epoch reused after a restart', () => {
      const load: ClusterBugs['load'] = (rows) => rows.map((row) => ({ ...row, epoch: row.epoch - 1, broker: '' }));
      expect(found({ load })).toMatch(/epoch \d+ is granted|two owners|passes at epoch/);
    });

    it('owners forgotten at a restart', () => {
      expect(found({ load: (rows) => rows.map((row) => ({ ...row, broker: '' })) })).toMatch(/two owners/);
    });

    it('a renewal counted from the receipt of its answer', () => {
      expect(found({ createHolder: () => new RenewsFromReceipt() }, lag)).toMatch(/two owners/);
    });

    it('a holder that does not look at the time', () => {
      expect(found({ createHolder: () => new NeverExpires() })).toMatch(/two owners/);
    });

    it('a leader without margin', () => {
      const createLeases: ClusterBugs['createLeases'] = (options) => new BrokerLeases({ ...options, marginMs: 0 });
      expect(found({ createLeases })).toMatch(/two owners/);
    });

    it('a release of an old epoch that is applied', () => {
      const createLeases: ClusterBugs['createLeases'] = (options) => new AppliesOldReleases(options);
      expect(found({ createLeases }, undefined, ['reopen', 'drop'])).toMatch(/two owners|passes at epoch/);
    });

    it('a deposed leader that goes on answering heartbeats', () => {
      expect(found({ believesForEver: true }, undefined, ['databaseCut', 'leaderStall'])).toMatch(
        /two owners|epoch \d+ is granted/,
      );
    });

    it('a database that takes what a deposed leader writes', () => {
      expect(found({ believesForEver: true, writesUnfenced: true }, undefined, ['databaseCut', 'leaderStall'])).toMatch(
        /two owners|epoch \d+ is granted|not served/,
      );
    });

    it('partitions taken from an owner that renews in the database', () => {
      expect(found({ takesRenewedLeases: true })).toMatch(/two owners/);
    });

    it('a renewal in the database counted from its answer', () => {
      expect(found({ renewsFromReceipt: true }, longAlone, ['drop'])).toMatch(/two owners/);
    });

    it('reassignment at the end of a stream, whatever the probe says', () => {
      expect(found({ probeRefusesAlways: true })).toMatch(/two owners/);
    });

    it('a grant sent before its row is durable', () => {
      expect(found({ grantsBeforePersist: true })).toMatch(/before it is durable/);
    });

    it('an epoch not raised above the observed one', () => {
      expect(found({ createLeases: (options) => new IgnoresObserved(options) }, restoresBackup)).toMatch(/not served/);
    });

    it.each(PLANTED_LINES)('in a line of the library: %s', (_, bug, reason) => {
      const code = loadWithBug(SOURCES, bug) as typeof library;
      const createLeases: ClusterBugs['createLeases'] = (options) => new code.BrokerLeases(options);
      expect(found({ createLeases, createHolder: () => new code.LeaseHolder() })).toMatch(reason);
    });
  });
});
