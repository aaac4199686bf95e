import { CONSUMER_EPOCHS_PER_LEADERSHIP } from './consumer-group.js';
import { type ConsumerJoin, type ConsumerLeaseEffect, type LeasedGroup } from './consumer-lease-effect.js';
import { ConsumerLeases, CONSUMERS_MAX } from './consumer-leases.js';
import { dealShared } from './deal-shared.js';
import { COALESCE_MS, LEASE_MARGIN_MS, LEASE_TTL_DEFAULT_MS, SETTLE_MS } from './lease.js';

const LEASE_MS = LEASE_TTL_DEFAULT_MS + LEASE_MARGIN_MS;
const BASE = CONSUMER_EPOCHS_PER_LEADERSHIP;
const exclusive: LeasedGroup = { topic: 't', group: 'g', mode: 'EXCLUSIVE', partitions: 2, revision: 1 };
const shared: LeasedGroup = { ...exclusive, mode: 'SHARED' };

const join = (consumer: string, more: Partial<ConsumerJoin> = {}): ConsumerJoin => ({
  member: 1,
  topic: 't',
  group: 'g',
  consumer,
  zone: '',
  maxPartitions: 0,
  held: [],
  ...more,
});
const held = (partition: number, epoch: number) => ({ topic: 't', partition, epoch });
function start(group = exclusive, leadershipEpoch = 1): ConsumerLeases {
  const leases = new ConsumerLeases({ leadershipEpoch, nowMs: 0 });
  leases.groupUpserted(group, 0);
  return leases;
}
function come(leases: ConsumerLeases, session: number, from: ConsumerJoin, nowMs: number): ConsumerLeaseEffect[] {
  return [...leases.join(session, from, nowMs), ...leases.tick(nowMs + COALESCE_MS)];
}
/** `partition@epoch` of each complete grant, epochs counted within their leadership. */
const grants = (effects: readonly ConsumerLeaseEffect[], session: number, member = 1): string[] =>
  effects.flatMap((effect) =>
    effect.kind === 'grant' && effect.session === session && effect.member === member && effect.changed
      ? [effect.assignments.map(({ partition, epoch }) => `${partition}@${epoch % BASE}`).join(' ')]
      : [],
  );
const closes = (effects: readonly ConsumerLeaseEffect[]): unknown[] =>
  effects.flatMap((effect) => (effect.kind === 'close' ? [[effect.session, effect.reason]] : []));

describe('ConsumerLeases', () => {
  it('heartbeat: echoed; a second without change says nothing new; a second with change tells it first', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    expect(leases.heartbeat(1, 1, 100)).toMatchObject([{ kind: 'grant', sequence: 1, changed: false, member: 0 }]);
    expect(leases.heartbeat(1, 2, 200)).toMatchObject([{ sequence: 2, changed: false }]);
    leases.groupUpserted({ ...exclusive, revision: 2 }, 250);
    expect(leases.heartbeat(1, 3, 260)).toMatchObject([
      { sequence: 0, changed: true, member: 1 },
      { sequence: 3, changed: false },
    ]);
  });

  it('consumers that come at once are dealt to once, though each asks at once to be prolonged', () => {
    const leases = start();
    const answers = [1, 2].flatMap((session) => [
      ...leases.join(session, join(`c${session}`), session),
      ...leases.heartbeat(session, 1, session),
    ]);
    expect(answers.map((effect) => effect.kind === 'grant' && effect.changed)).toEqual([false, false]);
    const pushed = leases.tick(1 + COALESCE_MS);
    expect([grants(pushed, 1), grants(pushed, 2)]).toEqual([['0@1'], ['1@2']]);
    expect(pushed).toHaveLength(2);
  });

  it('what a consumer names as held and is not its own is told before its first heartbeat is answered', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    leases.join(2, join('b', { held: [held(0, BASE + 1)] }), 100);
    expect(leases.heartbeat(2, 1, 100)).toMatchObject([
      { kind: 'grant', session: 2, sequence: 0, changed: true },
      { kind: 'revoke', session: 1 },
      { kind: 'grant', session: 2, sequence: 1, changed: false },
    ]);
  });

  it('expiry: the stream is closed and its partitions go to the next, at higher epochs', () => {
    const leases = start();
    expect(grants(come(leases, 1, join('a'), 0), 1)).toEqual(['0@1 1@2']);
    come(leases, 2, join('b', { maxPartitions: 2 }), 100);
    leases.heartbeat(2, 1, 8_000);
    expect(closes(leases.tick(LEASE_MS))).toEqual([[1, 'expired']]);
    expect(grants(leases.tick(LEASE_MS + COALESCE_MS), 2)).toEqual(['0@3 1@4']);
  });

  it('more consumers than partitions: the surplus waits with an empty grant, and is next', () => {
    const leases = start({ ...exclusive, partitions: 1 });
    come(leases, 1, join('a'), 0);
    expect(grants(come(leases, 2, join('b'), 100), 2)).toEqual(['']);
    leases.leave(1, 1, 200);
    expect(grants(leases.tick(220), 2)).toEqual(['0@2']);
  });

  it('EXCLUSIVE hand-over: revoke, then release, then the next holder at a higher epoch', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    const effects = come(leases, 2, join('b'), 100);
    expect(grants(effects, 2)).toEqual(['']);
    const revoke = effects.find((effect) => effect.kind === 'revoke');
    const { partition, epoch } = revoke!.assignment;
    leases.released(1, 1, held(partition, epoch - 1), 150);
    expect(grants(leases.tick(170), 2)).toEqual([]);
    leases.released(1, 1, held(partition, epoch), 200);
    expect(grants(leases.tick(220), 2)).toEqual([`${partition}@3`]);
  });

  it('a stream’s end alone moves nothing before the lease ends', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    come(leases, 2, join('b', { maxPartitions: 1 }), 10);
    leases.sessionEnded(1, 1_000);
    expect(grants(leases.tick(5_000), 2)).toEqual([]);
  });

  it('two of one name: the later wins, the earlier ends FENCED', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    const effects = come(leases, 2, join('a'), 100);
    expect(closes(effects)).toEqual([[1, 'fenced']]);
    expect(grants(effects, 2)).toEqual(['0@3 1@4']);
  });

  it('in company the earlier of one name gets an empty grant, and its stream lives on', () => {
    const leases = start(shared);
    come(leases, 1, join('a'), 0);
    come(leases, 1, join('b', { member: 2 }), 0);
    const effects = come(leases, 2, join('a'), 100);
    expect([closes(effects), grants(effects, 1)]).toEqual([[], ['']]);
  });

  it('a consumer that reconnects with what it held keeps it at its epoch', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    leases.sessionEnded(1, 100);
    const effects = come(leases, 2, join('a', { held: [held(0, BASE + 1), held(1, BASE + 2)] }), 200);
    expect(grants(effects, 2)).toEqual(['0@1 1@2']);
  });

  it('after an election EXCLUSIVE groups wait a second: holders of before keep theirs, then the rest is dealt', () => {
    const leases = new ConsumerLeases({ leadershipEpoch: 2, groups: [exclusive], nowMs: 0 });
    expect(grants(come(leases, 1, join('b'), 0), 1)).toEqual(['']);
    expect(grants(come(leases, 2, join('a', { held: [held(0, BASE + 9)] }), 100), 2)).toEqual(['0@9']);
    const effects = leases.tick(SETTLE_MS);
    expect(grants(effects, 1)).toEqual(['1@1']);
    expect(grants(come(leases, 3, join('c', { held: [held(1, BASE + 5)] }), 2_000), 3)).toEqual(['']);
  });

  it('of two claims from before an election the higher epoch wins', () => {
    const leases = new ConsumerLeases({ leadershipEpoch: 2, groups: [exclusive], nowMs: 0 });
    come(leases, 1, join('a', { held: [held(0, BASE + 4)] }), 0);
    expect(grants(come(leases, 2, join('b', { held: [held(0, BASE + 7)] }), 50), 2)).toEqual(['0@7']);
    expect(grants(come(leases, 3, join('c', { held: [held(0, BASE + 5)] }), 90), 3)).toEqual(['']);
  });

  it('a holder that a broker knows from later metadata: whoever holds the partition gets a higher epoch', () => {
    const leases = start(exclusive, 2);
    come(leases, 1, join('a', { maxPartitions: 1 }), 0);
    come(leases, 2, join('b', { maxPartitions: 1 }), 0);
    const observed = 5 * BASE + 7;
    const tell = (session: number, epoch: number, seen = observed): ConsumerLeaseEffect[] => [
      ...leases.epochTooLow(session, { member: 1, held: held(0, epoch), observed: seen }, 1_000),
      ...leases.tick(1_000 + COALESCE_MS),
    ];
    // Who holds it not, or not at this epoch, or tells what leaves no room above.
    expect([tell(2, 2 * BASE + 1), tell(1, 2 * BASE), tell(1, 2 * BASE + 1, Number.MAX_SAFE_INTEGER)]).toEqual([
      [],
      [],
      [],
    ]);
    const [granted] = tell(1, 2 * BASE + 1);
    expect(granted).toMatchObject({ session: 1, assignments: [{ partition: 0, epoch: observed + 1 }] });
    expect(grants(come(leases, 3, join('b', { maxPartitions: 2 }), 2_000), 3)).toEqual(['1@9']);
  });

  it('what no leader can have granted is not believed, and after the highest lie a later leader can still go on', () => {
    const highest = (leadershipEpoch: number): number => (leadershipEpoch + 2 ** 20) * BASE;
    const leases = start(exclusive, 2);
    come(leases, 1, join('a'), 0);
    const tell = (from: ConsumerLeases, epoch: number, observed: number): number => {
      from.epochTooLow(1, { member: 1, held: held(0, epoch), observed }, 1_000);
      from.tick(1_000 + COALESCE_MS);
      return from.consumers(1_000)[0]!.held[0]!.epoch;
    };
    expect(tell(leases, 2 * BASE + 1, highest(2) + 1)).toBe(2 * BASE + 1);
    const lied = tell(leases, 2 * BASE + 1, highest(2));
    expect(lied).toBe(highest(2) + 1);
    const next = start(exclusive, 3);
    come(next, 1, join('a'), 0);
    expect(tell(next, 3 * BASE + 1, lied)).toBe(lied + 1);
  });

  it('there are so many consumers of all groups; whoever is there may come again, and who goes makes room', () => {
    const leases = start(shared);
    for (let nth = 0; nth < CONSUMERS_MAX; nth += 1) {
      leases.join(1, join(`c-${nth}`, { member: nth + 1 }), 0);
    }
    const late = join('late');
    expect(leases.join(2, late, 1)).toContainEqual({ kind: 'close', session: 2, reason: 'tooMany', member: 1 });
    expect(leases.join(3, join('c-1'), 2)).not.toContainEqual(expect.objectContaining({ reason: 'tooMany' }));
    leases.leave(1, 1, 3);
    leases.join(4, late, 4);
    expect(leases.consumerCount('t', 'g')).toBe(CONSUMERS_MAX);
    leases.groupDeleted('t', 'g', 5);
    leases.groupUpserted(shared, 6);
    expect(closes(leases.join(5, late, 7))).toEqual([]);
  });

  it('the same in other modes: the consumer gets all that it has at a higher epoch', () => {
    const leases = start(shared);
    come(leases, 1, join('a'), 0);
    leases.epochTooLow(1, { member: 1, held: held(1, BASE + 1), observed: 5 * BASE }, 1_000);
    const [granted] = leases.tick(1_000 + COALESCE_MS);
    expect(granted).toMatchObject({ assignments: [{ epoch: 5 * BASE + 1 }, { epoch: 5 * BASE + 1 }] });
  });

  it('a leader starts to count anywhere, below the next leader', () => {
    const leases = new ConsumerLeases({ leadershipEpoch: 1, start: 0.5, nowMs: 0 });
    leases.groupUpserted(shared, 0);
    const [granted] = come(leases, 1, join('a'), 0);
    expect(granted).toMatchObject({ assignments: [{ epoch: BASE + BASE / 4 + 1 }, {}] });
  });

  it('other modes: every consumer gets every partition, up to its own bound, at its own epoch', () => {
    const leases = start(shared);
    expect(grants(come(leases, 1, join('a'), 0), 1)).toEqual(['0@1 1@1']);
    expect(grants(come(leases, 2, join('b', { maxPartitions: 1 }), 100), 2)).toEqual(['0@2']);
  });

  it('tells consumers where the owners are', () => {
    const leases = start(shared);
    come(leases, 1, join('a'), 0);
    leases.routesChanged(
      [{ topic: 't', partitionCount: 2, routes: [{ partition: 1, endpoint: 'b:1', epoch: 3 }] }],
      50,
    );
    const grant = leases.tick(70).find((effect) => effect.kind === 'grant');
    expect(grant?.assignments.map(({ endpoint }) => endpoint)).toEqual(['', 'b:1']);
  });

  it('does not tell of owners that a topic had before it was deleted and made again', () => {
    const leases = start(shared);
    const route = { partition: 1, endpoint: 'b:1', epoch: 3 };
    leases.routesChanged([{ topic: 't', partitionCount: 2, routes: [route] }], 50);
    leases.topicDeleted('t', 100);
    leases.routesChanged([{ topic: 't', partitionCount: 0, routes: [] }], 120);
    leases.groupUpserted(shared, 200);
    const grant = come(leases, 1, join('a'), 300).find((effect) => effect.kind === 'grant');
    expect(grant?.assignments.map(({ endpoint }) => endpoint)).toEqual(['', '']);
  });

  it('a consumer that joins as another gives back at once what it held under its old name', () => {
    const leases = start();
    leases.groupUpserted({ ...exclusive, topic: 'u' }, 0);
    come(leases, 1, join('a'), 0);
    come(leases, 2, join('b', { maxPartitions: 1 }), 100);
    expect(closes(leases.join(1, join('a', { group: 'none' }), 200))).toEqual([[1, 'unknownGroup']]);
    expect(grants(leases.tick(220), 2)).toEqual(['0@3']);
  });

  it('leases end in the order in which they were prolonged', () => {
    const leases = start(shared);
    come(leases, 1, join('a'), 0);
    come(leases, 2, join('b'), 100);
    leases.heartbeat(1, 1, 1_000);
    expect(leases.nextTimerMs()).toBe(100 + LEASE_MS);
    expect(closes(leases.tick(100 + LEASE_MS))).toEqual([[2, 'expired']]);
    expect(closes(leases.tick(1_000 + LEASE_MS))).toEqual([[1, 'expired']]);
  });

  it('a deleted group ends its consumers; an unknown one is refused', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    expect(closes(leases.topicDeleted('t', 100))).toEqual([[1, 'unknownGroup']]);
    expect(closes(leases.join(2, join('a'), 200))).toEqual([[2, 'unknownGroup']]);
  });

  it('a stream that ends because of one consumer names it: others may be on their way', () => {
    const leases = start();
    const [close] = leases.join(1, { ...join('a'), group: 'none', member: 7 }, 0);
    expect(close).toEqual({ kind: 'close', session: 1, reason: 'unknownGroup', member: 7 });
  });

  it('another mode deals everything anew at higher epochs', () => {
    const leases = start();
    come(leases, 1, join('a'), 0);
    leases.groupUpserted(shared, 100);
    expect(grants(leases.tick(120), 1)).toEqual(['0@3 1@3']);
  });
});

describe('dealShared', () => {
  const consumers = (count: number, maxPartitions = 0) =>
    Array.from({ length: count }, (_, i) => ({ name: `c${i}`, maxPartitions, partitions: new Set<number>() }));
  const cover = (dealt: Map<string, Set<number>>, partitions: number): number[] =>
    Array.from({ length: partitions }, (_, p) => [...dealt.values()].filter((one) => one.has(p)).length);

  it('covers all partitions evenly when consumers may hold only some', () => {
    expect(cover(dealShared(consumers(2, 2), 4), 4)).toEqual([1, 1, 1, 1]);
  });

  it('spreads more than 64 consumers evenly', () => {
    const sizes = cover(dealShared(consumers(100), 4), 4);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  });

  it('leaves every consumer at least one partition', () => {
    const dealt = dealShared(consumers(200), 2);
    expect(Math.min(...[...dealt.values()].map((one) => one.size))).toBe(1);
  });

  it('changes little when one more comes', () => {
    const before = dealShared(consumers(99), 4);
    const after = dealShared(
      consumers(100).map((one) => ({ ...one, partitions: before.get(one.name) ?? new Set<number>() })),
      4,
    );
    const moved = [...before].filter(([name, had]) => [...had].some((p) => after.get(name)?.has(p) !== true)).length;
    expect(moved).toBeLessThan(5);
  });
});
