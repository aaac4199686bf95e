import { type HermesError, Topic } from '@hermes/contracts';
import { systemClock, systemTimers, type Timers } from '@hermes/runtime';
import { eventually } from '@hermes/testing';

import { CuttingProxy } from '../../test/cutting-proxy.js';
import { lead, type LedMetadata } from '../../test/lead.js';
import { LeaderProcess } from '../../test/leader-process.js';
import { describeServers, type TestServerDatabase } from '../../test/test-database.js';
import { type MetadataOptions } from '../metadata-options.js';
import { type Leader } from '../leadership.js';
import { type Metadata } from '../metadata.js';
import { openMetadata } from '../open-metadata.js';
import { LEADERSHIP_TTL_MS } from './leased-leadership.js';

const ROUNDS = 25;

/** A leader whose renewals never happen and whose clock stands still: it believes in itself for ever. */
const believer = {
  clock: { ...systemClock, monotonicMs: () => 0 },
  timers: { after: () => () => undefined } satisfies Timers,
};

const codeOf = (write: Promise<unknown>): Promise<string> =>
  write.then(
    () => 'OK',
    (error: unknown) => (error as HermesError).code,
  );

describeServers((create) => {
  let database: TestServerDatabase;
  const opened: LedMetadata[] = [];

  const open = async (options: Partial<MetadataOptions> & { holder?: string } = {}): Promise<LedMetadata> => {
    const metadata = await lead({ ...database, ...options });
    opened.push(metadata);
    return metadata;
  };
  const query = async (statement: string): Promise<unknown> => {
    const connection = await database.connect();
    try {
      const [rows] = await connection.query(statement);
      return rows;
    } finally {
      await connection.end();
    }
  };
  /** Lets the leadership run out without waiting for it. */
  const expire = (): Promise<unknown> => query('update leadership set expires_at = 0');
  const topic = async (metadata: Metadata): Promise<Topic | undefined> => (await metadata.topics.get('orders'))?.config;

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((metadata) => metadata.close()));
    await database.remove();
  });

  test('a second one reads, is told who leads, and leads as soon as that one makes room', async () => {
    const first = await open();
    await using second = await openMetadata(database);
    const seen: (Leader | undefined)[] = [];
    const { signal } = new AbortController();
    const led = second.lead({ holder: 'meta-2:4370', signal, onFollowing: (leader) => seen.push(leader) });
    await eventually(() => seen.length >= 2);
    expect(new Set(seen.map((leader) => leader?.endpoint))).toEqual(new Set(['meta-1:4370']));
    expect(first.leadership.isValid()).toBe(true);
    await first.topics.create(Topic.fromPartial({ name: 'orders' }), 0);
    expect(await second.reads.topics.get('orders')).toMatchObject({ config: { name: 'orders' } });
    await first.resign();
    const next = await led;
    expect(next.leadership.epoch).toBe(2);
    expect(await codeOf(first.topics.delete('orders', () => undefined))).toBe('NOT_LEADER');
    expect(await codeOf(next.topics.delete('orders', () => undefined))).toBe('OK');
    await next.resign();
  });

  test('who gave up waiting does not lead any more', async () => {
    const first = await open();
    await using second = await openMetadata(database);
    const given = new AbortController();
    const led = second.lead({ holder: 'meta-2:4370', signal: given.signal });
    given.abort(new Error('enough'));
    await expect(led).rejects.toThrow('enough');
    await first.close();
    expect(await query('select holder, expires_at from leadership')).toEqual([
      { holder: 'meta-1:4370', expires_at: 0 },
    ]);
  });

  test('one process leads again after it lost leadership, at another epoch', async () => {
    await using both = await openMetadata(database);
    const candidacy = { holder: 'meta-1:4370', signal: new AbortController().signal };
    const first = await both.lead(candidacy);
    await query(`update leadership set holder = 'meta-2:4370', incarnation = 1, epoch = epoch + 1, expires_at = 0`);
    await first.leadership.lost;
    await first.resign();
    const again = await both.lead(candidacy);
    expect(again.leadership.epoch).toBe(3);
    expect(await codeOf(first.topics.create(Topic.fromPartial({ name: 'orders' }), 0))).toBe('NOT_LEADER');
    expect(await codeOf(again.topics.create(Topic.fromPartial({ name: 'orders' }), 0))).toBe('OK');
    await again.resign();
  });

  test('a leader that stops makes room at once', async () => {
    await (await open()).close();
    expect(await query('select expires_at from leadership')).toEqual([{ expires_at: 0 }]);
    expect((await open()).leadership.epoch).toBe(2);
  });

  test('a leader is valid for its TTL less the margin, counted from before the renewal was sent', async () => {
    const before = systemClock.monotonicMs();
    const { leadership } = await open();
    const after = systemClock.monotonicMs();
    expect(leadership.validUntilMs).toBeGreaterThan(before);
    expect(leadership.validUntilMs).toBeLessThan(after + LEADERSHIP_TTL_MS - 499);
    const first = leadership.validUntilMs;
    await eventually(() => leadership.validUntilMs > first, { deadlineMs: 5_000 });
  });

  test('no write of a deposed leader takes effect, however often leadership changes', async () => {
    let leader = await open(believer);
    await leader.topics.create(Topic.fromPartial({ name: 'orders', maxBodyBytes: 0 }), 0);
    const add = (metadata: Metadata): Promise<string> =>
      codeOf(
        metadata.topics.update('orders', ({ config }) => ({
          ...config,
          maxBodyBytes: (config.maxBodyBytes ?? 0) + 1,
          brokerGroup: `epoch-${metadata.leadership.epoch}`,
        })),
      );
    let written = 0;
    /** Writes as fast as it can until it is refused for good. */
    const writeUntilDeposed = async (metadata: Metadata): Promise<void> => {
      for (let outcome = 'OK'; outcome !== 'NOT_LEADER';) {
        outcome = await add(metadata);
        written += Number(outcome === 'OK');
        expect(['OK', 'NOT_LEADER', 'STORAGE_UNAVAILABLE']).toContain(outcome);
      }
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const deposed = leader;
      const racing = writeUntilDeposed(deposed);
      await expire();
      leader = await open(believer);
      const { epoch } = leader.leadership;
      expect(await add(leader)).toBe('OK');
      await racing;
      written += 1;
      expect(await topic(leader)).toMatchObject({ brokerGroup: `epoch-${epoch}`, maxBodyBytes: written });
    }
  }, 60_000);

  test('a leader learns from its write or its renewal that another leads, and says which one', async () => {
    const first = await open();
    await first.topics.create(Topic.fromPartial({ name: 'orders' }), 0);
    await query(`update leadership set holder = 'meta-2:4370', incarnation = 1, epoch = epoch + 1`);
    const error = await first.leadership.lost;
    expect(error).toMatchObject({ code: 'NOT_LEADER', details: { endpoint: 'meta-2:4370', epoch: '2' } });
    expect(first.leadership.isValid()).toBe(false);
    expect(await codeOf(first.topics.delete('orders', () => undefined))).toBe('NOT_LEADER');
    expect(await topic(first)).toMatchObject({ name: 'orders' });
  });

  test('a leader that cannot renew steps down before anybody else can lead', async () => {
    await using proxy = await CuttingProxy.start(database.url);
    const { leadership } = await open({ url: proxy.urlOf(database.url) });
    proxy.close();
    const { validUntilMs } = leadership;
    expect(await leadership.lost).toMatchObject({ code: 'NOT_LEADER' });
    // Node's timers may fire a millisecond early, which is the safe side.
    expect(systemClock.monotonicMs()).toBeGreaterThan(validUntilMs - 2);
    expect(leadership.isValid()).toBe(false);
    const [row] = (await query('select expires_at - unix_timestamp(now(3)) * 1000 as remaining from leadership')) as {
      remaining: string;
    }[];
    expect(Number(row?.remaining)).toBeGreaterThan(0);
  }, 90_000);

  test('a leader frozen while it holds the row’s lock stops nobody, and changes nothing when it comes back', async () => {
    await using frozen = new LeaderProcess(database, 'frozen:4370');
    expect(await frozen.fact('epoch')).toEqual({ epoch: 1 });
    await query(
      `insert into topic (id, name, partitions, config, revision, config_revision, created_at)
       values (1, 'orders', 1, '{"name":"orders"}', 1, 1, 0)`,
    );
    frozen.freeze();
    await frozen.fact('freezing');
    await expect(query('select epoch from leadership for update nowait')).rejects.toThrow();
    const second = await open({ holder: 'meta-2:4370' });
    expect(second.leadership.epoch).toBe(2);
    await second.topics.update('orders', ({ config }) => ({ ...config, brokerGroup: 'second' }));
    frozen.signal('SIGCONT');
    expect(await frozen.fact('frozen')).toEqual({
      frozen: 'STORAGE_UNAVAILABLE',
      believes: false,
      again: 'NOT_LEADER',
    });
    expect(await frozen.fact('lost')).toEqual({ lost: 'NOT_LEADER' });
    expect(await topic(second)).toMatchObject({ paused: false, brokerGroup: 'second' });
  }, 90_000);

  test('whoever holds the row’s lock when leadership has run out loses the connection that the row names', async () => {
    await (await open()).close();
    const holder = await database.connect();
    holder.on('error', () => undefined);
    await holder.query('update leadership set connection_id = connection_id()');
    await holder.query('start transaction');
    await holder.query('select * from leadership for update');
    expect((await open()).leadership.epoch).toBe(2);
    await expect(holder.query('select 1')).rejects.toThrow();
    holder.destroy();
  }, 90_000);

  test('a leader that was killed is followed after its TTL', async () => {
    {
      await using killed = new LeaderProcess(database, 'killed:4370');
      await killed.fact('epoch');
    }
    expect((await open()).leadership.epoch).toBe(2);
  }, 90_000);

  describe('a connection that breaks at COMMIT', () => {
    test('after the server has it: the change is found to be committed, and answered so', async () => {
      await using proxy = await CuttingProxy.start(database.url);
      const metadata = await open({ url: proxy.urlOf(database.url) });
      proxy.cutNext('after-commit');
      expect(await metadata.topics.create(Topic.fromPartial({ name: 'orders' }), 0)).toMatchObject({ created: true });
      expect(await topic(metadata)).toMatchObject({ name: 'orders' });
      expect(await codeOf(metadata.topics.update('orders', ({ config }) => ({ ...config, paused: true })))).toBe('OK');
    });

    test('before the server has it: the change is found to be absent, and refused so', async () => {
      await using proxy = await CuttingProxy.start(database.url);
      const metadata = await open({ url: proxy.urlOf(database.url) });
      proxy.cutNext('before-commit');
      const create = (): Promise<string> => codeOf(metadata.topics.create(Topic.fromPartial({ name: 'orders' }), 0));
      expect(await create()).toBe('STORAGE_UNAVAILABLE');
      expect(await topic(metadata)).toBeUndefined();
      expect(await create()).toBe('OK');
    });

    test('and is not answered any more until leadership ends: the outcome is unknown', async () => {
      await using proxy = await CuttingProxy.start(database.url);
      const metadata = await open({ url: proxy.urlOf(database.url) });
      proxy.cutNext('after-commit');
      const created = codeOf(metadata.topics.create(Topic.fromPartial({ name: 'orders' }), 0));
      await eventually(async () => {
        expect(await query(`select name from topic where name = 'orders'`)).toHaveLength(1);
      });
      proxy.close();
      expect(['OUTCOME_UNKNOWN', 'OK']).toContain(await created);
    }, 90_000);
  });

  test('a connection that an operator kills is opened anew, and noted as the one to kill', async () => {
    const metadata = await open({ timers: systemTimers });
    const connectionId = async (): Promise<number> => {
      const [row] = (await query('select connection_id as id from leadership')) as { id: number }[];
      return row?.id ?? 0;
    };
    const before = await connectionId();
    await query(`kill connection ${before}`);
    await eventually(async () => {
      expect(await codeOf(metadata.topics.create(Topic.fromPartial({ name: 'orders' }), 0))).toBe('OK');
    });
    expect(await connectionId()).not.toBe(before);
    expect(metadata.leadership.isValid()).toBe(true);
  });
});
