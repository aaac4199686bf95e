import { broker, closes, come, held, LEASE_MS, owners, row, shared } from '../test/broker-events.js';
import { type BrokerLeaseEffect, type EndLeaseEffect } from './broker-lease-effect.js';
import { BrokerLeases } from './broker-leases.js';
import { LEASE_MARGIN_MS, LEASE_TTL_DEFAULT_MS, SETTLE_MS } from './lease.js';

const start = (...assignments: Parameters<typeof row>[]): BrokerLeases =>
  new BrokerLeases({
    topics: [{ ...shared, partitions: 1 }],
    assignments: assignments.map((given) => row(...given)),
    nowMs: 0,
    renewedInDatabase: true,
  });
const asked = (effects: readonly BrokerLeaseEffect[]): EndLeaseEffect[] =>
  effects.filter((effect) => effect.kind === 'endLease');
const probed = (effects: readonly BrokerLeaseEffect[]): number =>
  effects.flatMap((effect) => (effect.kind === 'probe' ? [effect.probe] : []))[0] ?? 0;

describe('BrokerLeases where brokers renew in the database, too', () => {
  it('a process that registers may renew there before it is granted anything', () => {
    const [persist, grant] = come(start(), 1, broker('a', 1), 0);
    expect(persist).toMatchObject({ kind: 'persist', registered: [{ broker: 'a', incarnation: 1 }] });
    expect(grant).toMatchObject({ kind: 'grant' });
  });

  it('a silent broker loses its stream; its partitions are taken once the database has ended its lease', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const effects = leases.tick(LEASE_MS);
    expect(closes(effects)).toEqual([[1, 'expired']]);
    expect(asked(effects)).toMatchObject([{ broker: 'a', incarnation: 1, lastsAtMostMs: -LEASE_MARGIN_MS }]);
    expect(owners(leases)).toEqual(['a@1']);
    leases.leaseEnded({ check: asked(effects)[0]!.check, lastsMs: 0 }, LEASE_MS + 5);
    expect(owners(leases)).toEqual(['@1']);
  });

  it('one that has renewed there keeps its partitions until that has run out, too', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const [first] = asked(leases.tick(LEASE_MS));
    const endMs = LEASE_MS + 3_000 + LEASE_MARGIN_MS;
    leases.leaseEnded({ check: first!.check, lastsMs: 3_000 }, LEASE_MS);
    leases.leaseEnded({ check: first!.check, lastsMs: 0 }, LEASE_MS + 1);
    expect(owners(leases)).toEqual(['a@1']);
    expect(leases.nextTimerMs()).toBe(endMs);
    const [second] = asked(leases.tick(endMs));
    expect(second?.check).not.toBe(first?.check);
    leases.leaseEnded({ check: second!.check, lastsMs: 0 }, endMs);
    expect(owners(leases)).toEqual(['@1']);
  });

  it('a question without an answer is asked again a lease later', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.tick(LEASE_MS);
    expect(asked(leases.tick(2 * LEASE_MS - 1))).toEqual([]);
    expect(asked(leases.tick(2 * LEASE_MS))).toHaveLength(1);
  });

  it('what was heard lasts, though the database’s lease ends before', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.sessionEnded(1, 2_000);
    const probe = probed(leases.tick(2_000 + SETTLE_MS));
    const [question] = asked(leases.probed({ probe, refused: true }, 4_000));
    leases.leaseEnded({ check: question!.check, lastsMs: 100 }, 4_010);
    expect(leases.nextTimerMs()).toBe(LEASE_MS);
  });

  it('one that comes back while the database is asked keeps everything, whatever the answer', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const [question] = asked(leases.tick(LEASE_MS));
    const [persist] = come(leases, 2, broker('a', 1, { held: [held(0, 1)] }), LEASE_MS + 1);
    expect(persist).toMatchObject({ kind: 'persist', registered: [{ broker: 'a', incarnation: 1 }] });
    leases.leaseEnded({ check: question!.check, lastsMs: 0 }, LEASE_MS + 30);
    expect(owners(leases)).toEqual(['a@1']);
  });

  it('a refused probe takes partitions early only if nothing was renewed since the stream’s end', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.sessionEnded(1, 2_000);
    const probe = probed(leases.tick(2_000 + SETTLE_MS));
    const [question] = asked(leases.probed({ probe, refused: true }, 4_000));
    expect(question?.lastsAtMostMs).toBe(LEASE_TTL_DEFAULT_MS - 2_000 - LEASE_MARGIN_MS);
    expect(owners(leases)).toEqual(['a@1']);
    leases.leaseEnded({ check: question!.check, lastsMs: 0 }, 4_010);
    expect(owners(leases)).toEqual(['@1']);
  });

  it('a new leader takes nothing from owners of before without the database’s word', () => {
    const leases = start([0, 'a', { incarnation: 7 }]);
    const [question] = asked(leases.tick(LEASE_MS));
    expect(question).toMatchObject({ broker: 'a', incarnation: 7 });
    expect(owners(leases)).toEqual(['a@5']);
  });

  it('another process with the same address ends the lease at once: the row of the name is its own from then on', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const effects = come(leases, 2, broker('a', 2), 100);
    expect(asked(effects)).toEqual([]);
    expect(effects).toContainEqual(expect.objectContaining({ registered: [{ broker: 'a', incarnation: 2 }] }));
    expect(owners(leases)).toEqual(['a@2']);
  });
});
