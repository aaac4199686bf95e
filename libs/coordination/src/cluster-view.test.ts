import { broker, come, embedded, held, LEASE_MS, row, shared, start } from '../test/broker-events.js';
import { type BrokerLeases } from './broker-leases.js';
import { ConsumerLeases } from './consumer-leases.js';
import { COALESCE_MS } from './lease.js';

const reasons = (leases: BrokerLeases): string[] =>
  leases.partitions().map(({ broker: owner, reason }) => `${owner || 'nobody'}: ${reason ?? '-'}`);
/** Brokers give back what they are asked for, at once. */
function settle(leases: BrokerLeases, nowMs: number): void {
  for (const effect of leases.tick(nowMs + COALESCE_MS)) {
    if (effect.kind === 'revoke') {
      leases.released(effect.session, effect.assignment, nowMs + COALESCE_MS);
    }
  }
  leases.tick(nowMs + 2 * COALESCE_MS);
}

describe('why a partition is where it is', () => {
  it('new, then moved for balance, then moved by hand, then drained away', () => {
    const leases = start();
    expect(reasons(leases)).toEqual(['nobody: -', 'nobody: -']);
    come(leases, 1, broker('a', 1), 0);
    expect(reasons(leases)).toEqual(['a: CREATED', 'a: CREATED']);
    leases.register(2, broker('b', 2), 100);
    settle(leases, 100);
    expect(reasons(leases)).toEqual(['b: BALANCED', 'a: CREATED']);
    leases.move({ topic: 't', partition: 1 }, 'b', 200);
    settle(leases, 200);
    expect(reasons(leases)).toEqual(['a: BALANCED', 'b: MOVED']);
    leases.drain('b', { cancel: false }, 300);
    settle(leases, 300);
    expect(reasons(leases)).toEqual(['a: BALANCED', 'a: DRAINED']);
  });

  it('its owner is lost, or comes back without it', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    come(leases, 2, broker('b', 2, { capacity: 1 }), LEASE_MS - 100);
    leases.tick(LEASE_MS);
    leases.tick(LEASE_MS + COALESCE_MS);
    expect(reasons(leases)).toEqual(['b: OWNER_LOST', 'nobody: -']);
    come(leases, 3, broker('b', 2), LEASE_MS + 100);
    expect(reasons(leases)).toEqual(['b: RELEASED', 'b: OWNER_LOST']);
  });

  it('its owner stops in order, or gives it up unasked', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.released(1, held(0, 1), 100);
    leases.draining(1, 100);
    leases.released(1, held(1, 1), 100);
    come(leases, 2, broker('b', 2), 200);
    expect(reasons(leases)).toEqual(['b: RELEASED', 'b: DRAINED']);
  });

  it('an epoch that was too low changes nothing about it', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.epochTooLow(1, held(0, 1), 7, 100);
    expect(reasons(leases)).toEqual(['a: CREATED', 'a: CREATED']);
  });

  it('embedded ones live with their broker', () => {
    const leases = start(embedded);
    come(leases, 1, broker('a', 1), 0);
    expect(reasons(leases)).toEqual(['a: DATA_DIRECTORY', 'a: DATA_DIRECTORY']);
  });

  it('a new leader knows what is stored: the hand that moved it and the directory; else it adopts', () => {
    const directory = { dataDirectory: 'dir-a' };
    expect(reasons(start({ ...shared, partitions: 1 }, [row(0, 'a')]))).toEqual(['a: ADOPTED']);
    expect(reasons(start({ ...shared, partitions: 1 }, [row(0, 'a', { pinned: true })]))).toEqual(['a: MOVED']);
    expect(reasons(start(embedded, [row(0, 'a', directory)]))).toEqual(['a: DATA_DIRECTORY', 'nobody: -']);
    const unowned = start({ ...shared, partitions: 1 }, [row(0, '')]);
    come(unowned, 1, broker('a', 1), 0);
    expect(reasons(unowned)).toEqual(['a: ADOPTED']);
  });
});

describe('what brokers hold', () => {
  it('shows lease, process, drain and what is on its way', () => {
    const leases = start();
    come(leases, 1, broker('a', 7), 0);
    expect(leases.brokers(500)).toMatchObject([
      { partitions: 2, movingPartitions: 2, drained: false, lease: { incarnation: 7, leftMs: LEASE_MS - 500 } },
    ]);
    leases.ready(1, [{ ...held(0, 1), revision: 1 }], 600);
    leases.drain('a', { cancel: false }, 700);
    expect(leases.brokers(700)).toMatchObject([{ state: 'DRAINING', movingPartitions: 1, drained: true }]);
    leases.tick(LEASE_MS);
    expect(leases.brokers(LEASE_MS)).toMatchObject([{ state: 'GONE', partitions: 0, lease: undefined }]);
  });
});

describe('what consumers hold', () => {
  it('shows partitions, epochs and leases; one whose stream has ended keeps what it has', () => {
    const leases = new ConsumerLeases({ leadershipEpoch: 0, nowMs: 0 });
    const group = { topic: 't', partitions: 2, revision: 1 };
    leases.groupUpserted({ ...group, group: 'one', mode: 'EXCLUSIVE' }, 0);
    leases.groupUpserted({ ...group, group: 'all', mode: 'SHARED' }, 0);
    const join = { topic: 't', member: 1, zone: '', maxPartitions: 0, held: [] };
    leases.join(1, { ...join, group: 'one', consumer: 'a' }, 0);
    leases.join(2, { ...join, group: 'all', consumer: 'b' }, 0);
    leases.tick(COALESCE_MS);
    leases.sessionEnded(2, 100);
    const lease = { topic: 't', leaseLeftMs: LEASE_MS - 1_000 };
    const first = { ...lease, group: 'one', consumer: 'a', connected: true };
    const second = { ...lease, group: 'all', consumer: 'b', connected: false };
    expect(leases.consumers(1_000)).toEqual([
      { ...first, held: [0, 1].map((partition) => ({ partition, epoch: partition + 1 })) },
      { ...second, held: [0, 1].map((partition) => ({ partition, epoch: 1 })) },
    ]);
  });
});
