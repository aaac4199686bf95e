import { CONSUMERS_PER_PARTITION } from './deal-shared.js';
import { type ConsumerLeaseEffect, type DealMode } from './consumer-lease-effect.js';
import { ConsumerLeases } from './consumer-leases.js';
import { COALESCE_MS, type HeldPartition, type LeaseAssignment } from './lease.js';

const CONSUMERS = 500;
const JOIN_EVERY_MS = 2;
const RELEASE_AFTER_MS = 5;
const NAMES = Array.from({ length: CONSUMERS }, (_, i) => `c-${String(i).padStart(3, '0')}`);

/** What 500 consumers that join within a second were told. */
interface Rush {
  readonly held: readonly (readonly LeaseAssignment[])[];
  readonly revokes: number;
  readonly pushes: number;
}

/** Each consumer has a stream of its own and gives back what it is asked for a little later. */
function rush(mode: DealMode, partitions: number): Rush {
  const leases = new ConsumerLeases({ leadershipEpoch: 1, nowMs: 0 });
  leases.groupUpserted({ topic: 't', group: 'g', mode, partitions, revision: 1 }, 0);
  const held: (readonly LeaseAssignment[])[] = NAMES.map(() => []);
  const releases: { atMs: number; session: number; partition: HeldPartition }[] = [];
  let revokes = 0;
  let pushes = 0;
  const told = (effects: readonly ConsumerLeaseEffect[], nowMs: number): void => {
    for (const effect of effects) {
      const session = Number(effect.session);
      if (effect.kind === 'revoke') {
        revokes += 1;
        releases.push({ atMs: nowMs + RELEASE_AFTER_MS, session, partition: effect.assignment });
      } else if (effect.kind === 'grant' && effect.changed) {
        pushes += 1;
        held[session] = effect.assignments;
      }
    }
  };
  for (let nowMs = 0; nowMs < 3 * CONSUMERS * JOIN_EVERY_MS; nowMs += 1) {
    const nth = nowMs / JOIN_EVERY_MS;
    if (nth < CONSUMERS && Number.isInteger(nth)) {
      const consumer = { topic: 't', group: 'g', consumer: NAMES[nth] ?? '', zone: '', maxPartitions: 0, held: [] };
      told(leases.join(nth, { member: 1, ...consumer }, nowMs), nowMs);
    }
    while ((releases[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
      const { session, partition } = releases.shift()!;
      told(leases.released(session, 1, partition, nowMs), nowMs);
    }
    if (leases.nextTimerMs() <= nowMs) {
      told(leases.tick(nowMs), nowMs);
    }
  }
  return { held, revokes, pushes };
}

/** Partitions that must move when consumers come in batches, each as they gather before a deal. */
function movesNeeded(partitions: number): number {
  const sizes = (consumers: number): number[] =>
    Array.from(
      { length: consumers },
      (_, i) => Math.floor(partitions / consumers) + Number(i < partitions % consumers),
    );
  const batch = COALESCE_MS / JOIN_EVERY_MS;
  let moves = 0;
  for (let present = batch; present < CONSUMERS; present += batch) {
    const after = sizes(present + batch);
    moves += sizes(present).reduce((sum, size, i) => sum + Math.max(0, size - (after[i] ?? 0)), 0);
  }
  return moves;
}

describe('500 consumers join within a second', () => {
  it('EXCLUSIVE: no more partitions move than least adjustment needs, and nobody is told what does not concern it', () => {
    const partitions = 100;
    const { held, revokes, pushes } = rush('EXCLUSIVE', partitions);
    const all = held.flat().map(({ partition }) => partition);
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: partitions }, (_, partition) => partition));
    expect(Math.max(...held.map(({ length }) => length))).toBe(1);
    expect(revokes).toBeLessThanOrEqual(movesNeeded(partitions));
    expect(pushes).toBeLessThanOrEqual(CONSUMERS + partitions + 2 * revokes);
  });

  it('SHARED: everyone ends with an equal share, and is told at most once for each size that this had', () => {
    const partitions = 8;
    const { held, revokes, pushes } = rush('SHARED', partitions);
    const counts = Array.from({ length: partitions }, () => 0);
    for (const { partition } of held.flat()) {
      counts[partition]! += 1;
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(CONSUMERS_PER_PARTITION);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(held.every(({ length }) => length === 1)).toBe(true);
    const share = (present: number): number =>
      Math.min(partitions, Math.floor((CONSUMERS_PER_PARTITION * partitions) / present));
    const sizesHad = NAMES.map((_, before) => 1 + share(before + 1) - share(CONSUMERS));
    expect(revokes).toBe(0);
    expect(pushes).toBeLessThanOrEqual(sizesHad.reduce((sum, sizes) => sum + sizes, 0));
  });
});
