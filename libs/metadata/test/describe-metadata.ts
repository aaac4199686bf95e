import { DataSource, Group, SaslMechanism, StateStore, StorageClass, Topic } from '@hermes/contracts';
import { type PersistedAssignment } from '@hermes/coordination';

import { type LeaseChanges } from '../src/metadata.js';
import { lead, type LedMetadata } from './lead.js';
import { type TestDatabase } from './test-database.js';

const topic = (name: string, partitions = 4, dataSources: string[] = []): Topic =>
  Topic.fromPartial({ name, partitions, maxBodyBytes: 1024, dataSources });
const group = (topicName: string, name: string): Group => Group.fromPartial({ topic: topicName, name });
const source = (name: string, database = 'hermes'): DataSource =>
  DataSource.fromPartial({ name, storageClass: StorageClass.MYSQL, endpoints: ['h:3306'], database, secret: 'env:P' });
const row: PersistedAssignment = {
  topic: 'orders',
  partition: 0,
  broker: 'b',
  incarnation: 7,
  epoch: 1,
  created: false,
  dataDirectory: 'd',
  dataSource: '',
  pinned: false,
};
const changes = (given: Partial<LeaseChanges>): LeaseChanges => ({
  assignments: [],
  brokers: [],
  forgottenBrokers: [],
  registered: [],
  ...given,
});

/** What holds for metadata on any engine. */
export function describeMetadata(create: () => Promise<TestDatabase>): void {
  let database: TestDatabase;
  let metadata: LedMetadata | undefined;

  const open = async (): Promise<LedMetadata> => {
    metadata = await lead(database);
    return metadata;
  };

  beforeEach(async () => {
    database = await create();
  });

  afterEach(async () => {
    await metadata?.close();
    metadata = undefined;
    await database.remove();
  });

  describe('meta-servers', () => {
    test('are those that say so, until they take it back', async () => {
      const { metaServers } = await open();
      await metaServers.announce('meta-2:4370');
      await metaServers.announce('meta-1:4370');
      await metaServers.announce('meta-2:4370');
      expect(await metaServers.list()).toEqual(['meta-1:4370', 'meta-2:4370']);
      await metaServers.withdraw('meta-1:4370');
      expect(await metaServers.list()).toEqual(['meta-2:4370']);
    });

    test('lead one term after the other; the last ones are remembered, the newest first', async () => {
      for (let epoch = 1; epoch <= 22; epoch += 1) {
        await (await open()).close();
      }
      const terms = await (await open()).metaServers.terms();
      expect(terms.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, nth) => 23 - nth));
      expect(new Set(terms.map(({ endpoint }) => endpoint))).toEqual(new Set(['meta-1:4370']));
      // The database's clock is this machine's.
      expect(Math.abs((terms[0]?.sinceMs ?? 0) - Date.now())).toBeLessThan(60_000);
    });
  });

  describe('topics and groups', () => {
    test('come back after a restart with their ids, revisions and configs', async () => {
      const first = await open();
      await first.topics.create(topic('orders'), 1_000);
      const created = await first.groups.create(group('orders', 'billing'), 2_000);
      expect(created).toMatchObject({ created: true, topicRevision: 2, record: { id: 1, active: false } });
      await first.groups.activate(1);
      await first.close();

      const second = await open();
      expect(await second.topics.get('orders')).toMatchObject({
        id: 1,
        revision: 2,
        configRevision: 1,
        createdAtMs: 1_000,
        config: topic('orders'),
      });
      expect(await second.groups.get('orders', 'billing')).toMatchObject({
        createdRevision: 2,
        active: true,
        config: group('orders', 'billing'),
      });
    });

    test('a taken name is answered with what has it', async () => {
      const { topics, groups } = await open();
      await topics.create(topic('orders', 4), 0);
      expect(await topics.create(topic('orders', 8), 0)).toMatchObject({
        created: false,
        record: { config: { partitions: 4 } },
      });
      await groups.create(group('orders', 'g'), 0);
      expect(await groups.create(group('orders', 'g'), 0)).toMatchObject({ created: false, topicRevision: 2 });
      expect(await groups.create(group('nothing', 'g'), 0)).toBeUndefined();
    });

    test('ids are never reused, also not after a restart', async () => {
      const first = await open();
      await first.topics.create(topic('a'), 0);
      await first.topics.delete('a', () => undefined);
      await first.close();
      const second = await open();
      expect((await second.topics.create(topic('a'), 0)).record.id).toBe(2);
    });

    test('an update raises the revision, an equal one does not, and a refused one changes nothing', async () => {
      const { topics, groups } = await open();
      await topics.create(topic('orders'), 0);
      await groups.create(group('orders', 'g'), 0);
      expect(await topics.update('orders', ({ config }) => ({ ...config, paused: true }))).toMatchObject({
        revision: 3,
        configRevision: 3,
      });
      expect(await topics.update('orders', ({ config }) => config)).toMatchObject({ revision: 3 });
      await expect(
        topics.update('orders', () => {
          throw new Error('etag');
        }),
      ).rejects.toThrow('etag');
      expect(await groups.update('orders', 'g', ({ config }) => ({ ...config, paused: true }))).toMatchObject({
        topicRevision: 4,
        record: { configRevision: 4, config: { paused: true } },
      });
      expect(await topics.get('orders')).toMatchObject({ revision: 4, configRevision: 3, config: { paused: true } });
      expect(await topics.update('nothing', ({ config }) => config)).toBeUndefined();
    });

    test('deleting a topic takes its groups and assignments along; a late write leaves no row behind', async () => {
      const { topics, groups, leases } = await open();
      await topics.create(topic('orders'), 0);
      await groups.create(group('orders', 'g'), 0);
      const save = (...assignments: PersistedAssignment[]): Promise<void> => leases.save(changes({ assignments }));
      await save(row, { ...row, partition: 1 });
      await save({ ...row, epoch: 2, created: true });
      expect((await leases.load()).assignments).toEqual([
        { ...row, epoch: 2, created: true },
        { ...row, partition: 1 },
      ]);
      await topics.delete('orders', () => undefined);
      await save(row);
      await topics.create(topic('orders'), 0);
      expect((await leases.load()).assignments).toEqual([]);
      expect(await groups.list('orders', { after: '', limit: 10 })).toEqual([]);
    });

    test('lists go by name, in pages', async () => {
      const { topics, groups } = await open();
      for (const name of ['c', 'a', 'b']) {
        await topics.create(topic(name, 2), 0);
        await groups.create(group('c', name), 0);
      }
      expect((await topics.list({ after: '', limit: 2 })).map(({ config }) => config.name)).toEqual(['a', 'b']);
      expect((await topics.list({ after: 'b', limit: 2 })).map(({ config }) => config.name)).toEqual(['c']);
      expect((await groups.list('c', { after: 'a', limit: 9 })).map(({ config }) => config.name)).toEqual(['b', 'c']);
      expect(await topics.totals()).toEqual({ topics: 3, partitions: 6 });
      expect(await groups.count('c')).toBe(3);
    });

    test('brokers are remembered with their drains until they are forgotten', async () => {
      const { leases } = await open();
      const broker = {
        name: 'b1',
        incarnation: 2 ** 53 - 1,
        endpoint: '127.0.0.1:1',
        zone: '',
        brokerGroup: 'default',
        dataDirectory: 'd1',
        drained: false,
      };
      await leases.save(changes({ brokers: [broker] }));
      await leases.save(changes({ brokers: [{ ...broker, drained: true }] }));
      expect((await leases.load()).brokers).toEqual([{ ...broker, drained: true }]);
      await leases.save(changes({ forgottenBrokers: ['b1'] }));
      expect((await leases.load()).brokers).toEqual([]);
    });
  });

  describe('names', () => {
    test('compare byte by byte: case and accents make another name, and lists go by bytes', async () => {
      const { topics } = await open();
      for (const name of ['a', 'B', 'A', 'b', 'a.b', 'a-b', 'a0', 'aB']) {
        expect(await topics.create(topic(name), 0)).toMatchObject({ created: true });
      }
      const names = (await topics.list({ after: '', limit: 10 })).map(({ config }) => config.name);
      expect(names).toEqual(['A', 'B', 'a', 'a-b', 'a.b', 'a0', 'aB', 'b']);
      expect(await topics.get('Ab')).toBeUndefined();
    });

    test.each(["a'b", 'a"b', 'a\\b', 'a`b', 'a\0b', 'a;drop table topic;--', '𝒳😀', 'a%', ' a ', ''])(
      '%j stays data',
      async (text) => {
        const { topics, leases } = await open();
        const { record } = await topics.create({ ...topic('orders'), brokerGroup: text }, 0);
        expect(record.config.brokerGroup).toBe(text);
        expect((await topics.get('orders'))?.config.brokerGroup).toBe(text);
        expect(await topics.get(text)).toBeUndefined();
        await leases.save(changes({ assignments: [{ ...row, broker: text }] }));
        expect((await leases.load()).assignments).toEqual([{ ...row, broker: text }]);
      },
    );
  });

  describe('data sources', () => {
    test('are made once, read, listed by name and deleted', async () => {
      const { dataSources } = await open();
      for (const name of ['m2', 'm1', 'M1']) {
        expect(await dataSources.create(source(name), 5)).toMatchObject({ created: true });
      }
      expect(await dataSources.create(source('m1', 'other'), 6)).toEqual({
        created: false,
        record: { config: source('m1'), createdAtMs: 5 },
      });
      expect(await dataSources.get('m2')).toEqual({ config: source('m2'), createdAtMs: 5 });
      expect((await dataSources.list({ after: '', limit: 2 })).map(({ config }) => config.name)).toEqual(['M1', 'm1']);
      expect(await dataSources.count()).toBe(3);
      expect(await dataSources.delete('m1')).toBe('deleted');
      expect(await dataSources.delete('m1')).toBe('missing');
      expect(await dataSources.get('m1')).toBeUndefined();
    });

    test('of Kafka come back with their settings in order, and topics with what they are attached to', async () => {
      const config = DataSource.fromPartial({
        ...{ name: 'k1', storageClass: StorageClass.KAFKA, endpoints: ['k:9092', 'k:9093'] },
        kafka: {
          ...{ sasl: SaslMechanism.SCRAM_SHA_256, replicationFactor: 3, topicPrefix: 'hermes' },
          topicConfig: new Map([
            ['a.b', 'a"b\\c'],
            ['min.insync.replicas', '2'],
          ]),
        },
      });
      const kafka = { topic: 'events', readOnly: true, stateStore: StateStore.DATA_SOURCE };
      const attached = { ...topic('orders', 1, ['k1', 'm1']), kafka };
      const first = await open();
      await first.dataSources.create(config, 5);
      await first.topics.create(attached, 0);
      const both = { ...row, dataSource: 'k1' };
      await first.leases.save(changes({ assignments: [both] }));
      await first.close();
      const second = await open();
      expect(await second.dataSources.get('k1')).toEqual({ config, createdAtMs: 5 });
      expect([...((await second.dataSources.get('k1'))?.config.kafka?.topicConfig.keys() ?? [])]).toEqual([
        'a.b',
        'min.insync.replicas',
      ]);
      expect((await second.topics.get('orders'))?.config).toEqual(attached);
      expect((await second.leases.load()).assignments).toEqual([both]);
      expect(await second.dataSources.delete('k1')).toEqual({ usedBy: 'orders' });
    });

    test('are kept while a topic names them or has a partition there', async () => {
      const { topics, dataSources, leases } = await open();
      for (const name of ['named', 'placed']) {
        await dataSources.create(source(name), 0);
      }
      await topics.create(topic('orders', 1, ['named']), 0);
      await topics.create(topic('audit', 1), 0);
      await leases.save(
        changes({ assignments: [{ ...row, topic: 'audit', dataDirectory: '', dataSource: 'placed' }] }),
      );
      expect(await dataSources.delete('named')).toEqual({ usedBy: 'orders' });
      expect(await dataSources.delete('placed')).toEqual({ usedBy: 'audit' });
      expect((await leases.load()).assignments).toMatchObject([{ topic: 'audit', dataSource: 'placed' }]);
      await topics.delete('orders', () => undefined);
      await topics.delete('audit', () => undefined);
      expect(await dataSources.delete('named')).toBe('deleted');
      expect(await dataSources.delete('placed')).toBe('deleted');
    });
  });

  test('thousands of assignments are one write', async () => {
    const { topics, leases } = await open();
    await topics.create(topic('orders', 1_024), 0);
    const assignments = Array.from({ length: 1_024 }, (_, partition) => ({ ...row, partition }));
    await leases.save(changes({ assignments }));
    await leases.save(changes({ assignments: assignments.map((one) => ({ ...one, epoch: 2 })) }));
    const loaded = (await leases.load()).assignments;
    expect(loaded).toHaveLength(1_024);
    expect(loaded.every(({ epoch }) => epoch === 2)).toBe(true);
  });

  test('concurrent writes lose nothing and draw different ids', async () => {
    const { topics, groups } = await open();
    await topics.create(topic('orders'), 0);
    const names = Array.from({ length: 20 }, (_, index) => `g${index}`);
    const made = await Promise.all(names.map((name) => groups.create(group('orders', name), 0)));
    expect(new Set(made.map((one) => one?.record.id)).size).toBe(20);
    expect(await topics.get('orders')).toMatchObject({ revision: 21 });
  });

  test('the leadership epoch grows by one at each start', async () => {
    const { leadership } = await open();
    expect(leadership).toMatchObject({ epoch: 1 });
    expect(leadership.isValid()).toBe(true);
    await metadata?.close();
    expect((await open()).leadership.epoch).toBe(2);
  });

  test('the TTL of before a start is known', async () => {
    expect(await (await open()).leases.replaceTtl(60_000)).toBe(0);
    await metadata?.close();
    expect(await (await open()).leases.replaceTtl(10_000)).toBe(60_000);
  });
}
