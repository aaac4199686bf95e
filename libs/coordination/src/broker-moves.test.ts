import { broker, come, embedded, grants, held, owners, row, shared, start } from '../test/broker-events.js';
import { type BrokerLeases } from './broker-leases.js';
import { COALESCE_MS } from './lease.js';

const first = { topic: 't', partition: 0 };

/** Two brokers that came at once, `a` with partition 0. */
function two(topic = shared, more: Parameters<typeof broker>[2] = {}): BrokerLeases {
  const leases = start(topic);
  leases.register(1, broker('a', 1, more), 0);
  leases.register(2, broker('b', 2, more), 0);
  leases.tick(COALESCE_MS);
  return leases;
}

/** The owner gives it back when it is asked. */
function giveBack(leases: BrokerLeases, session: number, partition: number, nowMs: number): string[] {
  const { epoch } = leases.partitions()[partition]!;
  return [...leases.released(session, held(partition, epoch), nowMs), ...leases.tick(nowMs + COALESCE_MS)].flatMap(
    (effect) => (effect.kind === 'persist' ? effect.assignments.map((one) => `${one.broker} ${one.pinned}`) : []),
  );
}

describe('BrokerLeases: moves by hand', () => {
  it('asks the owner, grants at a new epoch, writes down that it was moved, and spreads the rest around it', () => {
    const leases = two();
    expect(owners(leases)).toEqual(['a@1', 'b@1']);
    leases.move(first, 'b', 1_000);
    const asked = leases.tick(1_000 + COALESCE_MS).filter(({ kind }) => kind === 'revoke');
    expect(asked).toMatchObject([
      { session: 1, assignment: { partition: 0 } },
      { session: 2, assignment: { partition: 1 } },
    ]);
    expect(giveBack(leases, 1, 0, 1_100)).toContain('b true');
    expect(giveBack(leases, 2, 1, 1_200)).toContain('a false');
    expect(owners(leases)).toEqual(['b@2', 'a@2']);
  });

  it('grants what is given back at once; what is given back right after that goes along with the next', () => {
    const leases = two({ ...shared, partitions: 4 });
    leases.drain('a', { cancel: false }, 1_000);
    leases.tick(1_000 + COALESCE_MS);
    const releases = [1_100, 1_101, 1_102].flatMap((nowMs, nth) => leases.released(1, held(nth * 2, 1), nowMs));
    expect(grants(releases, 2)).toEqual(['0@2 1@1 3@1']);
    expect(grants(leases.tick(1_100 + COALESCE_MS), 2)).toEqual(['0@2 1@1 2@2 3@1']);
  });

  it('holds: no balance takes it away', () => {
    const leases = two({ ...shared, partitions: 1 });
    expect(leases.partitions()).toMatchObject([{ broker: 'a' }]);
    leases.move(first, 'b', 1_000);
    leases.tick(1_000 + COALESCE_MS);
    giveBack(leases, 1, 0, 1_100);
    leases.topicUpserted(shared, 2_000);
    leases.topicUpserted({ ...shared, partitions: 4 }, 2_100);
    const effects = leases.tick(2_100 + COALESCE_MS);
    expect(effects.filter(({ kind }) => kind === 'revoke')).toEqual([]);
    expect(leases.partitions().map(({ broker: owner }) => owner)).toEqual(['b', 'a', 'a', 'b']);
  });

  it('survives a new leader', () => {
    const rows = [row(0, 'b', { incarnation: 2, pinned: true }), row(1, 'b', { incarnation: 2 })];
    const leases = start(shared, rows);
    come(leases, 2, broker('b', 2, { held: [held(0, 5), held(1, 5)] }), 10);
    const effects = come(leases, 1, broker('a', 1), 20);
    // What is pinned stays, so the other one goes.
    expect(effects.flatMap((effect) => (effect.kind === 'revoke' ? [effect.assignment.partition] : []))).toEqual([1]);
  });

  it('ends when its broker is gone: another one gets it, and balance may move it again', () => {
    const leases = two();
    leases.move(first, 'b', 1_000);
    leases.tick(1_000 + COALESCE_MS);
    giveBack(leases, 1, 0, 1_100);
    leases.draining(2, 2_000);
    leases.tick(2_000 + COALESCE_MS);
    expect(giveBack(leases, 2, 0, 2_100)).toContain('a false');
    expect(giveBack(leases, 2, 1, 2_200)).toContain('a false');
    const effects = come(leases, 3, broker('b', 3), 3_000);
    expect(effects.filter(({ kind }) => kind === 'revoke')).toHaveLength(1);
  });

  it('rebalance tells what it moves, and moves what was moved by hand', () => {
    const leases = two();
    expect(leases.rebalanceMoves()).toEqual([]);
    leases.move(first, 'b', 1_000);
    leases.tick(1_000 + COALESCE_MS);
    giveBack(leases, 1, 0, 1_100);
    const moves = leases.rebalanceMoves();
    expect(moves).toMatchObject([{ topic: 't', from: 'b', to: 'a' }]);
    expect(leases.tick(1_500)).toEqual([]);
    const effects = [...leases.rebalance(2_000), ...leases.tick(2_000 + COALESCE_MS)];
    expect(effects.filter(({ kind }) => kind === 'revoke')).toMatchObject([
      { assignment: { partition: moves[0]!.partition } },
    ]);
  });

  it('to where it is already only keeps it there', () => {
    const leases = two();
    leases.move(first, 'a', 1_000);
    const effects = leases.tick(1_000 + COALESCE_MS);
    expect(effects.map(({ kind }) => kind)).toEqual(['persist']);
    expect(grants(effects, 1)).toEqual([]);
  });

  it('of an embedded partition to where it lives pins nothing', () => {
    const leases = two(embedded);
    const { broker: owner } = leases.partitions()[0]!;
    expect(leases.moveRefusal(first, owner)).toBeUndefined();
    expect([...leases.move(first, owner, 1_000), ...leases.tick(1_000 + COALESCE_MS)]).toEqual([]);
    expect(leases.partitions()[0]).toMatchObject({ broker: owner, pinned: false });
  });

  it('is refused where it cannot be, and changes nothing', () => {
    const leases = two(shared, { capacity: 1 });
    come(leases, 3, broker('c', 3, { brokerGroup: 'other' }), 300);
    leases.drain('a', { cancel: false }, 400);
    expect(leases.moveRefusal({ topic: 'x', partition: 0 }, 'b')).toEqual({ kind: 'unknownTopic' });
    expect(leases.moveRefusal({ topic: 't', partition: 2 }, 'b')).toEqual({ kind: 'unknownPartition', partitions: 2 });
    expect(leases.moveRefusal(first, 'z')).toEqual({ kind: 'unknownBroker' });
    expect(leases.moveRefusal(first, 'a')).toEqual({ kind: 'brokerNotActive' });
    expect(leases.moveRefusal(first, 'c')).toEqual({ kind: 'otherBrokerGroup', brokerGroup: '' });
    leases.move({ topic: 't', partition: 1 }, 'b', 500);
    expect(leases.moveRefusal(first, 'b')).toEqual({ kind: 'full', capacity: 1 });
    expect(two(embedded).moveRefusal(first, 'b')).toEqual({ kind: 'inDataDirectory' });
    const before = owners(leases);
    leases.move(first, 'c', 600);
    leases.tick(600 + COALESCE_MS);
    expect(owners(leases)).toEqual(before);
  });
});
