import {
  broker,
  closes,
  come,
  embedded,
  grants,
  held,
  kinds,
  LEASE_MS,
  owners,
  row,
  shared,
  start,
} from '../test/broker-events.js';
import { BrokerLeases } from './broker-leases.js';
import { NAMES_MAX } from './broker-registry.js';
import { COALESCE_MS, SETTLE_MS } from './lease.js';

describe('BrokerLeases: acquire', () => {
  it('without assignment: a broker that nothing can go to gets an empty grant', () => {
    const leases = start();
    expect(grants(come(leases, 1, broker('a', 1, { brokerGroup: 'other' }), 0), 1)).toEqual(['']);
  });

  it('makes rows durable before it tells the broker and the routes', () => {
    const effects = come(start(), 1, broker('a', 1), 0);
    expect(kinds(effects)).toEqual(['persist', 'grant', 'routes']);
    expect(grants(effects, 1)).toEqual(['0@1 1@1']);
  });

  it('while another holds it: nothing moves before the holder has released it, and then at a new epoch', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const effects = come(leases, 2, broker('b', 2), 100);
    expect(grants(effects, 2)).toEqual(['']);
    const revoke = effects.find((effect) => effect.kind === 'revoke');
    expect(revoke?.session).toBe(1);
    const { partition, epoch } = revoke!.assignment;
    expect(grants(leases.released(1, held(partition, epoch), 200), 2)).toEqual([`${partition}@2`]);
  });

  it('when already held: the same process that registers again keeps it, and its older stream ends', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const effects = come(leases, 2, broker('a', 1, { held: [held(0, 1), held(1, 1)] }), 100);
    expect(closes(effects)).toEqual([[1, 'replaced']]);
    expect(grants(effects, 2)).toEqual(['0@1 1@1']);
    expect(leases.sessionEnded(1, 200)).toEqual([]);
  });

  it('what a register does not name counts as released and comes back at a new epoch', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    expect(grants(come(leases, 2, broker('a', 1, { held: [held(0, 1)] }), 100), 2)).toEqual(['0@1 1@2']);
  });

  it('pushes changes within 20 ms once', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.topicUpserted({ ...shared, revision: 2 }, 100);
    leases.topicUpserted({ ...shared, revision: 3 }, 110);
    expect(leases.nextTimerMs()).toBe(120);
    const effects = leases.tick(120);
    expect(effects.filter(({ kind }) => kind === 'grant')).toHaveLength(1);
    expect(effects.flatMap((effect) => (effect.kind === 'grant' ? effect.assignments : []))[0]?.revision).toBe(3);
  });
});

describe('BrokerLeases: renew', () => {
  it('echoes the sequence and prolongs: the lease ends TTL + margin after the last heartbeat', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const [grant] = leases.heartbeat(1, 7, 5_000);
    expect(grant).toMatchObject({ kind: 'grant', session: 1, sequence: 7, changed: false });
    leases.tick(5_000 + LEASE_MS - 1);
    expect(owners(leases)).toEqual(['a@1', 'a@1']);
    expect(closes(leases.tick(5_000 + LEASE_MS))).toEqual([[1, 'expired']]);
    expect(owners(leases)).toEqual(['@1', '@1']);
  });

  it('tells what has changed before it prolongs', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.topicDeleted('t', 100);
    const effects = leases.heartbeat(1, 1, 101);
    expect(effects.flatMap((effect) => (effect.kind === 'grant' ? [[effect.sequence, effect.changed]] : []))).toEqual([
      [0, true],
      [1, false],
    ]);
  });

  it('with a wrong id, or after expiry: the stream is closed and nothing is prolonged', () => {
    const leases = start();
    expect(closes(leases.heartbeat(9, 1, 0))).toEqual([[9, 'notRegistered']]);
    come(leases, 1, broker('a', 1), 0);
    expect(closes(leases.heartbeat(1, 1, LEASE_MS + 1))).toEqual([
      [1, 'expired'],
      [1, 'notRegistered'],
    ]);
  });

  it('after a release: the rest is prolonged, the released partition is not the holder’s', () => {
    const leases = start(embedded);
    come(leases, 1, broker('a', 1), 0);
    leases.draining(1, 50);
    const effects = leases.released(1, held(0, 1), 100);
    expect(grants([...effects, ...leases.heartbeat(1, 1, 200)], 1)).toEqual(['1@1']);
    expect(owners(leases)).toEqual(['@1', 'a@1']);
  });

  it('from another address: a live name with another address and directory is refused, until the old lease ends', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const stranger = broker('a', 2, { endpoint: 'elsewhere:1', dataDirectory: 'dir-x' });
    expect(closes(leases.register(2, stranger, 100))).toEqual([[2, 'nameInUse']]);
    expect(owners(leases)).toEqual(['a@1', 'a@1']);
    expect(grants(come(leases, 3, stranger, LEASE_MS + 1), 3)).toEqual(['0@2 1@2']);
  });
});

describe('BrokerLeases: claims', () => {
  const stranger = (epoch: number, more: object = {}) => broker('x', 9, { held: [held(0, epoch)], ...more });
  /** `a` has had the partitions and is gone; a stranger claims one, and `a` comes back as another process. */
  const back = (topic: typeof shared, claim: ReturnType<typeof stranger>): string[] => {
    const leases = start(topic);
    come(leases, 1, broker('a', 1), 0);
    leases.sessionEnded(1, 100);
    leases.tick(LEASE_MS + 100);
    const nowMs = LEASE_MS + 200;
    leases.register(2, claim, nowMs);
    leases.sessionEnded(2, nowMs + 1);
    return grants(come(leases, 3, broker('a', 2), nowMs + 10), 3);
  };

  it('what others have had since, or lives elsewhere, is kept for nobody who claims it', () => {
    expect(back(shared, stranger(0))).toEqual(['0@2 1@2']);
    expect(back(embedded, stranger(1_000))).toEqual(['0@2 1@2']);
  });

  it('what is stored may be older than a claim: until its lease would end the claimer may believe in it', () => {
    expect(back(shared, stranger(7))).toEqual(['1@2']);
  });

  it('of partitions or topics that do not exist, of others’ partitions, and twice, change nothing', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const claims = [held(0, 1), held(0, 1), held(0, 99), held(9, 1), { topic: 'x', partition: 0, epoch: 1 }];
    expect(grants(come(leases, 2, broker('b', 2, { held: claims, brokerGroup: 'other' }), 100), 2)).toEqual(['']);
    expect(owners(leases)).toEqual(['a@1', 'a@1']);
  });
});

describe('BrokerLeases: many names', () => {
  it('a new name beyond them is refused, known ones never; gone ones are forgotten at once then', () => {
    const leases = start(embedded);
    come(leases, 1, broker('a', 1), 0);
    for (let nth = 2; nth <= NAMES_MAX; nth += 1) {
      const made = broker(`made-${nth}`, nth, { dataDirectory: '' });
      expect(closes(leases.register(nth, made, 100))).toEqual([]);
      leases.sessionEnded(nth, 100);
    }
    const late = broker('late', 1, { dataDirectory: '' });
    expect(closes(leases.register('late', late, 110))).toEqual([['late', 'tooMany']]);
    expect(closes(leases.register('again', broker('a', 2), 120))).toEqual([[1, 'fenced']]);
    for (let nowMs = 1_000; nowMs < LEASE_MS; nowMs += 1_000) {
      leases.heartbeat('again', nowMs, nowMs);
    }
    leases.tick(LEASE_MS + 100);
    leases.tick(LEASE_MS + 100 + COALESCE_MS);
    expect(leases.brokers(LEASE_MS + 200).map(({ name }) => name)).toEqual(['a']);
  }, 60_000);
});

describe('BrokerLeases: release', () => {
  it('of what one does not hold, or of an old epoch, changes nothing', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.epochTooLow(1, held(0, 1), 1, 50);
    leases.tick(70);
    leases.released(1, held(0, 1), 100);
    leases.released(1, { topic: 'x', partition: 0, epoch: 1 }, 100);
    leases.tick(200);
    expect(owners(leases)).toEqual(['a@2', 'a@1']);
  });

  it('a drained broker gets nothing new and keeps its embedded partitions, which are counted', () => {
    const leases = start(embedded);
    come(leases, 1, broker('a', 1), 0);
    leases.drain('a', { cancel: false }, 100);
    leases.topicUpserted({ ...embedded, name: 'u' }, 110);
    leases.tick(200);
    expect(leases.partitionsLeft('a')).toBe(2);
    expect(leases.partitions('u').map(({ state }) => state)).toEqual(['UNOWNED', 'UNOWNED']);
    expect(leases.brokers(0)[0]?.state).toBe('DRAINING');
    leases.drain('a', { cancel: true }, 300);
    leases.tick(320);
    expect(leases.partitionsLeft('a')).toBe(4);
  });

  it('a draining process gives everything back and is granted nothing of it again', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.draining(1, 100);
    leases.released(1, held(0, 1), 110);
    leases.released(1, held(1, 1), 110);
    leases.tick(200);
    expect(owners(leases)).toEqual(['@1', '@1']);
    leases.sessionEnded(1, 300);
    expect(leases.brokers(0)[0]?.state).toBe('GONE');
  });
});

describe('BrokerLeases: the end of a stream', () => {
  it('waits a second, probes, and reassigns early only if the connection is refused', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.sessionEnded(1, 1_000);
    expect(kinds(leases.tick(1_000 + SETTLE_MS - 1))).not.toContain('probe');
    const probe = leases.tick(1_000 + SETTLE_MS).find((effect) => effect.kind === 'probe');
    expect(probe).toMatchObject({ broker: 'a', incarnation: 1, endpoint: 'a:4376' });
    leases.probed({ probe: probe!.probe, refused: false }, 2_100);
    leases.tick(2_200);
    expect(owners(leases)).toEqual(['a@1', 'a@1']);
    leases.probed({ probe: probe!.probe, refused: true }, 2_300);
    leases.tick(2_400);
    expect(owners(leases)).toEqual(['@1', '@1']);
  });

  it('a broker that is back before the probe’s answer keeps its lease', () => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    leases.sessionEnded(1, 1_000);
    const probe = leases.tick(2_000).find((effect) => effect.kind === 'probe');
    come(leases, 2, broker('a', 1, { held: [held(0, 1), held(1, 1)] }), 2_010);
    leases.probed({ probe: probe!.probe, refused: true }, 2_050);
    expect(owners(leases)).toEqual(['a@1', 'a@1']);
  });

  it.each([
    ['the same endpoint', { dataDirectory: 'dir-new' }],
    ['the same data directory', { endpoint: 'moved:1' }],
  ])('a new process with %s ends the old lease at once and gets new epochs', (_, more) => {
    const leases = start();
    come(leases, 1, broker('a', 1), 0);
    const effects = come(leases, 2, broker('a', 2, more), 100);
    expect(closes(effects)).toEqual([[1, 'fenced']]);
    expect(grants(effects, 2)).toEqual(['0@2 1@2']);
    expect(closes(leases.register(3, broker('a', 1), 200))).toEqual([[3, 'fenced']]);
  });

  it('embedded partitions are unowned while their broker is gone, and its again at a new epoch', () => {
    const leases = start(embedded);
    come(leases, 1, broker('a', 1), 0);
    come(leases, 2, broker('b', 2), 50);
    leases.tick(LEASE_MS);
    expect(owners(leases)).toEqual(['@1', '@1']);
    expect(grants(come(leases, 3, broker('a', 3), LEASE_MS + 100), 3)).toEqual(['0@2 1@2']);
  });
});

describe('BrokerLeases: a new leader', () => {
  const rows = [row(0, 'a'), row(1, 'a')];

  it('leaves brokers that register with what they held in peace', () => {
    const leases = start(shared, rows);
    const effects = come(leases, 1, broker('a', 1, { held: [held(0, 5), held(1, 5)] }), 10);
    expect(grants(effects, 1)).toEqual(['0@5 1@5']);
  });

  it('gives nothing of an owner that does not come before its lease must have ended', () => {
    const leases = start(shared, rows, 1_000);
    come(leases, 2, broker('b', 2), 1_010);
    leases.heartbeat(2, 1, 8_000);
    leases.tick(1_000 + LEASE_MS - 1);
    expect(owners(leases)).toEqual(['a@5', 'a@5']);
    leases.tick(1_000 + LEASE_MS);
    leases.tick(1_100 + LEASE_MS);
    expect(owners(leases)).toEqual(['b@6', 'b@6']);
  });

  it('gives a new process of the owner its partitions at once', () => {
    const brokers = [
      { name: 'a', incarnation: 1, endpoint: 'a:4376', zone: '', brokerGroup: '', dataDirectory: '', drained: false },
    ];
    const leases = new BrokerLeases({ topics: [shared], assignments: rows, brokers, nowMs: 0 });
    expect(grants(come(leases, 1, broker('a', 2), 10), 1)).toEqual(['0@6 1@6']);
  });

  it('waits longer when earlier leases were longer', () => {
    const leases = new BrokerLeases({ topics: [shared], assignments: rows, nowMs: 0, formerTtlMs: 60_000 });
    leases.tick(60_000);
    expect(owners(leases)).toEqual(['a@5', 'a@5']);
  });
});
