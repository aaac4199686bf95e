import { type BrokerLeaseEffect, type DataSourceChoice, type LeasedTopic } from './broker-lease-effect.js';
import { BrokerLeases } from './broker-leases.js';
import { COALESCE_MS, PLACING_PATIENCE_MS, SETTLE_MS } from './lease.js';
import { placeOnDataSource } from './place.js';

const topic = (name: string, partitions: number, dataSources: DataSourceChoice): LeasedTopic => ({
  ...{ name, partitions, revision: 1, brokerGroup: '', inDataDirectory: false },
  dataSources,
});
const HOUR_MS = 3_600_000;
const all = (...names: string[]): DataSourceChoice => ({ names, named: false });
const named = (...names: string[]): DataSourceChoice => ({ names, named: true });
const register = (
  leases: BrokerLeases,
  { name, dataDirectory = '' }: { readonly name: string; readonly dataDirectory?: string },
  session: number,
  nowMs: number,
): BrokerLeaseEffect[] => [
  ...leases.register(
    session,
    {
      ...{ broker: name, incarnation: session, endpoint: `${name}:1`, host: name, zone: '', brokerGroup: '' },
      ...{ weight: 1, capacity: 0, dataDirectory, held: [] },
    },
    nowMs,
  ),
  ...leases.tick(nowMs + COALESCE_MS),
];
const places = (leases: BrokerLeases, of: string): string =>
  leases
    .partitions(of)
    .map(({ dataSource }) => dataSource)
    .join(' ');

describe('placing on data sources', () => {
  it('a topic that names some is spread over them, whatever else they hold', () => {
    const sources = [
      { name: 'a', partitions: 90, ofTopic: 1 },
      { name: 'b', partitions: 100, ofTopic: 0 },
      { name: 'c', partitions: 99, ofTopic: 0 },
    ];
    expect(placeOnDataSource(sources, { named: true })).toBe('c');
    expect(placeOnDataSource(sources, { named: false })).toBe('a');
    expect(placeOnDataSource([], { named: false })).toBeUndefined();
  });

  it('happens with the topic, before any broker is there, and is stored and told', () => {
    const leases = new BrokerLeases({ topics: [], assignments: [], nowMs: 0 });
    leases.topicUpserted(topic('t', 4, named('m2', 'm1')), 0);
    expect(places(leases, 't')).toBe('m1 m2 m1 m2');
    leases.topicUpserted(topic('u', 3, all('m1', 'm2', 'm3')), 0);
    expect(places(leases, 'u')).toBe('m3 m3 m1');
    const effects = register(leases, { name: 'a' }, 1, 100);
    const stored = effects.flatMap((effect) => (effect.kind === 'persist' ? effect.assignments : []));
    expect(stored.filter(({ topic: of }) => of === 't').map(({ dataSource }) => dataSource)).toEqual([
      'm1',
      'm2',
      'm1',
      'm2',
    ]);
    const told = effects.flatMap((effect) => (effect.kind === 'grant' ? effect.assignments : []));
    expect(told.map(({ dataSource }) => dataSource).sort()).toEqual(['m1', 'm1', 'm1', 'm2', 'm2', 'm3', 'm3']);
  });

  it('is for good: neither a restart nor other data sources move a partition', () => {
    const first = new BrokerLeases({ topics: [topic('t', 2, all('m1'))], assignments: [], nowMs: 0 });
    const effects = register(first, { name: 'a' }, 1, 0);
    const assignments = effects.flatMap((effect) => (effect.kind === 'persist' ? effect.assignments : []));
    const next = new BrokerLeases({ topics: [topic('t', 2, all('m0', 'm1'))], assignments, nowMs: 0 });
    next.topicUpserted(topic('t', 3, all('m0')), 0);
    expect(places(next, 't')).toBe('m1 m1 m0');
  });

  it('without a data source nothing is granted, and what is there is owned by any broker and moves', () => {
    const leases = new BrokerLeases({ topics: [], assignments: [], nowMs: 0 });
    register(leases, { name: 'a' }, 1, 0);
    leases.topicUpserted(topic('nowhere', 1, all()), 100);
    leases.topicUpserted(topic('t', 2, all('m1')), 100);
    leases.tick(200);
    expect(leases.partitions('nowhere').map(({ state }) => state)).toEqual(['UNOWNED']);
    expect(leases.partitions('t').map(({ broker }) => broker)).toEqual(['a', 'a']);
    const revoked = register(leases, { name: 'b' }, 2, 300).flatMap((effect) =>
      effect.kind === 'revoke' ? [effect] : [],
    );
    expect(revoked.map(({ assignment }) => assignment)).toMatchObject([{ topic: 't', dataSource: 'm1' }]);
  });

  it('a partition that needs a directory beside is owned only by the broker that has it, and cannot move', () => {
    const both: LeasedTopic = { ...topic('t', 2, named('k1')), inDataDirectory: true };
    const first = new BrokerLeases({ topics: [], assignments: [], nowMs: 0 });
    first.topicUpserted(both, 0);
    const [a, b] = [
      register(first, { name: 'a', dataDirectory: 'dir-a' }, 1, SETTLE_MS),
      register(first, { name: 'b', dataDirectory: 'dir-b' }, 2, 2 * SETTLE_MS),
    ];
    expect(first.partitions('t')).toMatchObject(
      [0, 1].map(() => ({ broker: 'a', dataSource: 'k1', dataDirectory: 'dir-a' })),
    );
    expect(first.moveRefusal({ topic: 't', partition: 0 }, 'b')).toEqual({ kind: 'inDataDirectory' });
    const told = a.flatMap((effect) => (effect.kind === 'grant' ? effect.assignments : []));
    expect(told.map(({ dataSource }) => dataSource)).toEqual(['k1', 'k1']);
    const assignments = [...a, ...b].flatMap((effect) => (effect.kind === 'persist' ? effect.assignments : []));

    // Its broker is away: it waits, though the data source could be had by another.
    const next = new BrokerLeases({ topics: [both], assignments, nowMs: 0 });
    register(next, { name: 'b', dataDirectory: 'dir-b' }, 3, HOUR_MS);
    next.tick(2 * HOUR_MS);
    expect(next.partitions('t').map(({ state }) => state)).toEqual(['UNOWNED', 'UNOWNED']);
    register(next, { name: 'a', dataDirectory: 'dir-a' }, 4, 3 * HOUR_MS);
    expect(next.partitions('t').map(({ broker }) => broker)).toEqual(['a', 'a']);
  });

  it('a partition that needs both waits while it lacks either', () => {
    const leases = new BrokerLeases({ topics: [], assignments: [], nowMs: 0 });
    leases.topicUpserted({ ...topic('nowhere', 1, all()), inDataDirectory: true }, 0);
    leases.topicUpserted({ ...topic('t', 1, named('k1')), inDataDirectory: true }, 0);
    register(leases, { name: 'without' }, 1, SETTLE_MS);
    expect(leases.partitions().map(({ state }) => state)).toEqual(['UNOWNED', 'UNOWNED']);
    register(leases, { name: 'a', dataDirectory: 'dir-a' }, 2, 2 * SETTLE_MS);
    expect(leases.partitions().map(({ broker }) => broker)).toEqual(['', 'a']);
  });
});

describe('placing in data directories', () => {
  const local = (name: string, partitions: number): LeasedTopic => ({
    ...{ name, partitions, revision: 1, brokerGroup: '', inDataDirectory: true },
  });
  const directories = (leases: BrokerLeases): string[] =>
    leases.partitions('new').map(({ dataDirectory }) => dataDirectory);

  /** A leader that begins when `a` and `b` have a partition each, and a topic is made. */
  function elected(): BrokerLeases {
    const first = new BrokerLeases({ topics: [], assignments: [], nowMs: 0 });
    const effects = [
      ...register(first, { name: 'a', dataDirectory: 'dir-a' }, 1, 0),
      ...register(first, { name: 'b', dataDirectory: 'dir-b' }, 2, 0),
      ...first.topicUpserted(local('old', 2), 100),
      ...first.tick(200),
    ];
    const rows = effects.flatMap((effect) => (effect.kind === 'persist' ? [effect] : []));
    const brokers = rows.flatMap((row) => row.brokers);
    const assignments = rows.flatMap((row) => row.assignments);
    const next = new BrokerLeases({ topics: [local('old', 2)], brokers, assignments, nowMs: 0 });
    next.topicUpserted(local('new', 2), 0);
    return next;
  }

  it('the first broker that is back after an election does not get all that is new', () => {
    const leases = elected();
    register(leases, { name: 'a', dataDirectory: 'dir-a' }, 1, 10);
    leases.tick(PLACING_PATIENCE_MS - 1);
    expect(directories(leases)).toEqual(['', '']);
    register(leases, { name: 'b', dataDirectory: 'dir-b' }, 2, PLACING_PATIENCE_MS - 1);
    expect(directories(leases)).toEqual(['dir-a', 'dir-b']);
  });

  it('it is not waited for a broker that is gone, nor for one that stays away', () => {
    const gone = elected();
    register(gone, { name: 'a', dataDirectory: 'dir-a' }, 1, 10);
    const [probe] = gone.tick(SETTLE_MS).flatMap((effect) => (effect.kind === 'probe' ? [effect.probe] : []));
    gone.probed({ probe: probe ?? 0, refused: true }, SETTLE_MS + 1);
    gone.tick(SETTLE_MS + 1 + COALESCE_MS);
    expect(directories(gone)).toEqual(['dir-a', 'dir-a']);

    const away = elected();
    register(away, { name: 'a', dataDirectory: 'dir-a' }, 1, 10);
    away.tick(away.nextTimerMs());
    away.tick(PLACING_PATIENCE_MS);
    expect(directories(away)).toEqual(['dir-a', 'dir-a']);
  });

  it('a broker that holds nothing has a moment to come back, too', () => {
    const leases = elected();
    register(leases, { name: 'a', dataDirectory: 'dir-a' }, 1, 10);
    register(leases, { name: 'b', dataDirectory: 'dir-b' }, 2, 20);
    expect(directories(leases)).toEqual(['', '']);
    register(leases, { name: 'c', dataDirectory: 'dir-c' }, 3, 30);
    leases.tick(SETTLE_MS);
    expect(directories(leases)).toEqual(['dir-c', 'dir-a']);
  });
});
