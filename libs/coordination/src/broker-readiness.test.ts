import { broker, come, embedded, grants, held, kinds, row, shared, start } from '../test/broker-events.js';
import { BrokerLeases, EPOCH_RAISE_MAX } from './broker-leases.js';
import { SETTLE_MS } from './lease.js';

describe('BrokerLeases: readiness, epochs and topics', () => {
  it('a topic is ready when all its owners serve its revision, and created is durable before anyone hears', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.ready(1, [{ ...held(0, 1), revision: 1 }], 100);
    expect(leases.isReady('t', 1)).toBe(false);
    const effects = leases.ready(1, [{ ...held(1, 1), revision: 1 }], 110);
    expect(kinds(effects)).toEqual(['persist', 'ready']);
    expect(leases.isReady('t', 1)).toBe(true);
    leases.topicUpserted({ ...shared, revision: 2 }, 120);
    expect([leases.isReady('t', 1), leases.isReady('t', 2)]).toEqual([true, false]);
    expect(leases.partitions()[0]?.state).toBe('OWNED');
  });

  it('a broker that is ready has nothing decided anew: what has changed waits for its moment', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.register(2, broker('b', 2), 100);
    const effects = leases.ready(1, [{ ...held(0, 1), revision: 1 }], 101);
    expect(kinds(effects)).toEqual(['persist', 'ready']);
    expect(kinds(leases.tick(120))).toEqual(['grant', 'revoke']);
  });

  it('raises an epoch that is too low above the observed one and grants it again', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.epochTooLow(1, held(0, 1), 40, 100);
    expect(grants(leases.tick(120), 1)).toEqual(['0@41 1@1']);
  });

  it('believes a report by steps: what is really far ahead is reached, and a lie uses up no numbers', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const observed = 2.5 * EPOCH_RAISE_MAX;
    const epochOf = (): number => leases.partitions()[0]!.epoch;
    for (let reports = 0; epochOf() <= observed; reports += 1) {
      expect(reports).toBeLessThan(3);
      leases.epochTooLow(1, held(0, epochOf()), observed, 100 * reports);
    }
    expect(epochOf()).toBe(observed + 1);
    leases.epochTooLow(1, held(0, epochOf()), Number.MAX_SAFE_INTEGER, 500);
    expect(epochOf()).toBe(observed + 2 + EPOCH_RAISE_MAX);
  });

  it('starts a topic made anew above the epochs of the deleted one', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const gone = leases.topicDeleted('t', 100);
    expect([...gone, ...leases.tick(120)]).toContainEqual({
      kind: 'routes',
      changed: [{ topic: 't', partitionCount: 0, routes: [] }],
    });
    leases.topicUpserted(shared, 200);
    expect(grants(leases.tick(220), 1)).toEqual(['0@2 1@2']);
  });

  it('places new embedded partitions evenly, once the brokers of before had time to come back', () => {
    const topics = [embedded, { ...embedded, name: 'u' }];
    const assignments = [
      row(0, 'a', { dataDirectory: 'dir-a' }),
      row(1, 'b', { incarnation: 2, dataDirectory: 'dir-b' }),
    ];
    const leases = new BrokerLeases({ topics, assignments, nowMs: 0 });
    come(leases, 1, broker('a', 1, { held: [held(0, 5)] }), 10);
    expect(leases.partitions('u').map(({ dataSource }) => dataSource)).toEqual(['', '']);
    come(leases, 2, broker('b', 2, { held: [held(1, 5)] }), 500);
    leases.tick(SETTLE_MS);
    expect(leases.partitions('u').map(({ dataSource }) => dataSource)).toEqual(['dir-a', 'dir-b']);
  });
});
