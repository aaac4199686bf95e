import {
  BrokerState,
  DataSource,
  Durability,
  GroupMode,
  GroupState,
  PartitionState,
  StorageClass,
  Topic,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { type FakeBroker } from '../test/fake-broker.js';
import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';

describe('AdminService', () => {
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  const createTopic = async (name: string, fields: object = {}, deadlineMs = 5_000): Promise<Topic> => {
    const { admin } = fixture;
    const { topic } = await admin.createTopic({ topic: Topic.fromPartial({ name, ...fields }) }, { deadlineMs });
    return topic!;
  };
  const createGroup = (topic: string, name: string, fields: object = {}) => {
    const { admin } = fixture;
    const group = {
      ...{ topic, name, mode: 0, filter: '', deadLetterExpired: false, paused: false },
      uid: 0,
      etag: '',
    };
    return admin.createGroup({ group: { ...group, state: GroupState.UNSPECIFIED, ...fields } }, { deadlineMs: 3_000 });
  };

  describe('with a broker', () => {
    beforeEach(() => {
      fixture.broker();
    });

    test('CreateTopic answers once all partitions are served, with defaults filled in', async () => {
      const { admin } = fixture;
      const topic = await createTopic('orders', { partitions: 3 });
      expect(topic).toMatchObject({ name: 'orders', partitions: 3, maxBodyBytes: 1_048_576, brokerGroup: 'default' });
      expect(topic.uid).toBeGreaterThan(0);
      const { partitions } = await admin.listPartitions({ topic: 'orders', pageToken: '' });
      expect(
        partitions.map(({ partition, broker, state, dataSource }) => [partition, broker, state, dataSource]),
      ).toEqual([0, 1, 2].map((partition) => [partition, 'b1', PartitionState.OWNED, 'd1']));
      expect(partitions.every(({ epoch }) => epoch > 0)).toBe(true);
      const cluster = await admin.getCluster({});
      expect(cluster).toMatchObject({ leaderEpoch: 1, unownedPartitions: 0 });
      expect(cluster.leaderEndpoint).toBe(`127.0.0.1:${fixture.server.port}`);
      expect(cluster.brokers).toEqual([
        expect.objectContaining({ name: 'b1', state: BrokerState.ACTIVE, partitions: 3, brokerGroup: 'default' }),
      ]);
    });

    test('creating the identical is OK, another configuration TOPIC_EXISTS', async () => {
      const first = await createTopic('orders', { partitions: 2 });
      expect(await createTopic('orders', { partitions: 2, priorityLevels: 1 })).toEqual(first);
      expect(await failureOf(createTopic('orders', { partitions: 3 }))).toMatchObject({ code: 'TOPIC_EXISTS' });
    });

    test('a topic is read, listed in pages, updated with a mask and an etag, and deleted', async () => {
      const { admin } = fixture;
      for (const name of ['b', 'a', 'c']) {
        await createTopic(name, { partitions: 1 });
      }
      const first = await admin.listTopics({ pageSize: 2, pageToken: '' });
      expect(first.topics.map(({ name }) => name)).toEqual(['a', 'b']);
      const second = await admin.listTopics({ pageSize: 2, pageToken: first.nextPageToken });
      expect([second.topics.map(({ name }) => name), second.nextPageToken]).toEqual([['c'], '']);

      const given = Topic.fromPartial({ name: 'a', paused: true, etag: first.topics[0]!.etag });
      const { topic } = await admin.updateTopic({ topic: given, updateMask: ['paused'] });
      expect(topic).toMatchObject({ paused: true, partitions: 1 });
      expect(topic?.etag).not.toBe(given.etag);
      expect((await admin.getTopic({ topic: 'a' })).topic).toEqual(topic);
      expect(await failureOf(admin.updateTopic({ topic: given, updateMask: ['paused'] }))).toMatchObject({
        code: 'ETAG_MISMATCH',
      });
      expect(await failureOf(admin.deleteTopic({ topic: 'a', etag: given.etag, force: false }))).toMatchObject({
        code: 'ETAG_MISMATCH',
      });
      await admin.deleteTopic({ topic: 'a', etag: topic!.etag, force: false });
      expect(await failureOf(admin.getTopic({ topic: 'a' }))).toMatchObject({
        code: 'TOPIC_NOT_FOUND',
        details: { topic: 'a' },
      });
    });

    test('a topic made again under a name gets a new uid and higher epochs', async () => {
      const { admin } = fixture;
      const before = await createTopic('orders', { partitions: 1 });
      const epochOf = async (): Promise<number> =>
        (await admin.listPartitions({ topic: 'orders', pageToken: '' })).partitions[0]!.epoch;
      const epoch = await epochOf();
      await admin.deleteTopic({ topic: 'orders', etag: '', force: false });
      const after = await createTopic('orders', { partitions: 1 });
      expect(after.uid).toBeGreaterThan(before.uid);
      expect(await epochOf()).toBeGreaterThan(epoch);
    });

    test('CreateGroup answers ACTIVE once every owner has applied it; the identical is OK, another GROUP_EXISTS', async () => {
      const { admin } = fixture;
      await createTopic('orders');
      const { group } = await createGroup('orders', 'billing');
      expect(group).toMatchObject({
        state: GroupState.ACTIVE,
        mode: GroupMode.KEY_ORDERED,
        ackDeadline: { seconds: 30 },
      });
      expect((await createGroup('orders', 'billing')).group).toEqual(group);
      expect((await admin.getGroup({ topic: 'orders', group: 'billing' })).group).toEqual(group);
      expect(await failureOf(createGroup('orders', 'billing', { mode: GroupMode.SHARED }))).toMatchObject({
        code: 'GROUP_EXISTS',
      });
      expect(await failureOf(createGroup('nothing', 'billing'))).toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    });

    test('a group is listed, updated and deleted', async () => {
      const { admin } = fixture;
      await createTopic('orders');
      await createGroup('orders', 'b');
      const { group } = await createGroup('orders', 'a');
      const page = await admin.listGroups({ topic: 'orders', pageSize: 1, pageToken: '' });
      expect(page.groups.map(({ name }) => name)).toEqual(['a']);
      const next = await admin.listGroups({ topic: 'orders', pageToken: page.nextPageToken });
      expect(next.groups.map(({ name }) => name)).toEqual(['b']);
      const updated = await admin.updateGroup({
        group: { ...group!, mode: GroupMode.EXCLUSIVE },
        updateMask: ['mode'],
      });
      expect(updated.group).toMatchObject({ mode: GroupMode.EXCLUSIVE, state: GroupState.ACTIVE });
      expect(await failureOf(admin.updateGroup({ group: group!, updateMask: ['mode'] }))).toMatchObject({
        code: 'ETAG_MISMATCH',
      });
      await admin.deleteGroup({ topic: 'orders', group: 'a', etag: '', force: false });
      expect(await failureOf(admin.getGroup({ topic: 'orders', group: 'a' }))).toMatchObject({
        code: 'GROUP_NOT_FOUND',
      });
      expect(await failureOf(admin.listGroups({ topic: 'none', pageToken: '' }))).toMatchObject({
        code: 'TOPIC_NOT_FOUND',
      });
    });

    test('a drain is answered with what is left, shown, remembered after a restart, and taken back', async () => {
      const { admin } = fixture;
      await createTopic('orders', { partitions: 2 });
      // Embedded partitions stay with their directory.
      expect(await admin.drainBroker({ broker: 'b1', cancel: false })).toEqual({ partitionsLeft: 2 });
      const stateOf = async (): Promise<BrokerState> => (await fixture.admin.getCluster({})).brokers[0]!.state;
      expect(await stateOf()).toBe(BrokerState.DRAINING);
      expect(await failureOf(createTopic('new', { partitions: 1 }, 600))).toMatchObject({ code: 'PARTITION_MOVING' });
      await fixture.stopServer();
      await fixture.start();
      fixture.broker({ incarnation: 2 });
      await eventually(async () => (await stateOf()) === BrokerState.DRAINING);
      await fixture.admin.drainBroker({ broker: 'b1', cancel: true });
      await createTopic('new', { partitions: 1 });
      expect(await failureOf(fixture.admin.drainBroker({ broker: 'b9', cancel: false }))).toMatchObject({
        code: 'BROKER_NOT_FOUND',
      });
    });
  });

  test('without any broker a topic is made, the call waits for its deadline, and the repeated one waits again', async () => {
    const failure = await failureOf(createTopic('orders', { partitions: 1 }, 600));
    expect(failure).toMatchObject({ code: 'PARTITION_MOVING', retryable: true });
    expect(failure.message).toContain('no broker');
    const waiting = createTopic('orders', { partitions: 1 });
    fixture.broker();
    expect(await waiting).toMatchObject({ name: 'orders', uid: 1 });
  });

  test('a call that waits for a topic that is deleted ends TOPIC_NOT_FOUND', async () => {
    const { admin } = fixture;
    const waiting = failureOf(createTopic('orders', { partitions: 1 }));
    await eventually(() => admin.getTopic({ topic: 'orders' }));
    await admin.deleteTopic({ topic: 'orders', etag: '', force: false });
    expect(await waiting).toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  });

  test('a group stays CREATING while an owner has not applied it, and becomes ACTIVE without a repeated call', async () => {
    const { admin } = fixture;
    const broker = fixture.broker({ ready: false });
    const waiting = createTopic('orders', { partitions: 1 });
    await eventually(() => broker.assignments.length === 1);
    broker.ready();
    await waiting;
    const creating = failureOf(createGroup('orders', 'g'));
    await eventually(() => broker.assignments[0]?.revision === 2);
    const stateOf = async (): Promise<GroupState | undefined> =>
      (await admin.getGroup({ topic: 'orders', group: 'g' })).group?.state;
    expect(await stateOf()).toBe(GroupState.CREATING);
    // An answer to the revision before does not count.
    broker.ready(broker.assignments.map((assignment) => ({ ...assignment, revision: 1 })));
    expect(await creating).toMatchObject({ code: 'PARTITION_MOVING' });
    expect(await stateOf()).toBe(GroupState.CREATING);
    broker.ready();
    await eventually(async () => (await stateOf()) === GroupState.ACTIVE);
  });

  describe('bad input', () => {
    const name = 'x'.repeat(201);
    const rows: [string, string, () => Promise<unknown>][] = [
      ['CreateTopic without a topic', 'INVALID_FIELD', () => fixture.admin.createTopic({})],
      ['CreateTopic with a long name', 'INVALID_FIELD', () => createTopic(name)],
      ['CreateTopic with a leading dot', 'INVALID_FIELD', () => createTopic('.a')],
      ['CreateTopic with 0 partitions', 'INVALID_FIELD', () => createTopic('a', { partitions: 0 })],
      [
        'CreateTopic that keeps less than it has to',
        'INVALID_FIELD',
        () => createTopic('a', { hardRetentionAge: { seconds: 3, nanos: 0 } }),
      ],
      ['GetTopic without a name', 'INVALID_FIELD', () => fixture.admin.getTopic({ topic: '' })],
      ['GetTopic of none', 'TOPIC_NOT_FOUND', () => fixture.admin.getTopic({ topic: 'none' })],
      [
        'ListTopics with a forged token',
        'INVALID_FIELD',
        () => fixture.admin.listTopics({ pageToken: 'AAAAAAAAAAAAAAAAAAAA' }),
      ],
      [
        'ListTopics with page size -1',
        'INVALID_FIELD',
        () => fixture.admin.listTopics({ pageSize: -1, pageToken: '' }),
      ],
      [
        'ListPartitions of none',
        'TOPIC_NOT_FOUND',
        () => fixture.admin.listPartitions({ topic: 'none', pageToken: '' }),
      ],
      [
        'UpdateTopic without a mask',
        'TOPIC_NOT_FOUND',
        () => fixture.admin.updateTopic({ topic: Topic.fromPartial({ name: 'none' }) }),
      ],
      [
        'DeleteTopic of none',
        'TOPIC_NOT_FOUND',
        () => fixture.admin.deleteTopic({ topic: 'none', etag: '', force: true }),
      ],
      ['CreateGroup without a group', 'INVALID_FIELD', () => fixture.admin.createGroup({})],
      ['CreateGroup with an empty start', 'INVALID_FIELD', () => createGroup('a', 'g', { start: {} })],
      ['CreateGroup with a filter that is none', 'INVALID_FIELD', () => createGroup('a', 'g', { filter: 'x' })],
      [
        'DrainBroker with a bad name',
        'INVALID_FIELD',
        () => fixture.admin.drainBroker({ broker: 'a b', cancel: false }),
      ],
      [
        'MovePartition of none',
        'TOPIC_NOT_FOUND',
        () => fixture.admin.movePartition({ topic: 'none', partition: 0, broker: 'b1' }),
      ],
      [
        'MovePartition with a bad number',
        'INVALID_FIELD',
        () => fixture.admin.movePartition({ topic: 'none', partition: -1, broker: 'b1' }),
      ],
    ];

    test.each(rows)('%s: %s', async (_, code, run) => {
      const failure = await failureOf(run());
      expect(failure).toMatchObject({ code });
      if (code === 'INVALID_FIELD') {
        expect(failure.violations).toEqual([
          { field: expect.stringMatching(/./) as unknown, description: expect.stringMatching(/./) as unknown },
        ]);
      }
    });
  });
});

describe('data sources', () => {
  let fixture: MetaServerFixture;
  const m1 = { name: 'm1', storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], database: 'hermes' };
  const given = (fields: object = {}): DataSource =>
    DataSource.fromPartial({ ...m1, username: 'u', secret: 'file:/run/secret', ...fields });
  const create = (fields: object = {}) => fixture.admin.createDataSource({ dataSource: given(fields) });

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  test('are created, read, listed in pages and deleted; the identical again is OK, another DATA_SOURCE_EXISTS', async () => {
    const { admin } = fixture;
    expect(await create()).toEqual({ dataSource: given() });
    expect(await create()).toEqual({ dataSource: given() });
    expect(await failureOf(create({ database: 'other' }))).toMatchObject({ code: 'DATA_SOURCE_EXISTS' });
    await create({ name: 'm0' });
    expect(await admin.getDataSource({ dataSource: 'm1' })).toEqual({ dataSource: given() });
    const first = await admin.listDataSources({ pageSize: 1, pageToken: '' });
    const second = await admin.listDataSources({ pageSize: 1, pageToken: first.nextPageToken });
    expect([...first.dataSources, ...second.dataSources].map(({ name }) => name)).toEqual(['m0', 'm1']);
    expect(second.nextPageToken).toBe('');
    await admin.deleteDataSource({ dataSource: 'm1' });
    expect(await failureOf(admin.getDataSource({ dataSource: 'm1' }))).toMatchObject({ code: 'DATA_SOURCE_NOT_FOUND' });
    expect(await failureOf(admin.deleteDataSource({ dataSource: 'm1' }))).toMatchObject({
      code: 'DATA_SOURCE_NOT_FOUND',
    });
  });

  test('of bad input is INVALID_FIELD, and what may be a password is not repeated', async () => {
    const failure = await failureOf(create({ secret: 'hunter2' }));
    expect(failure).toMatchObject({ code: 'INVALID_FIELD', violations: [{ field: 'data_source.secret' }] });
    expect(failure.message).not.toContain('hunter2');
  });

  test('show what the brokers that use them find, until these are gone', async () => {
    await create();
    await create({ name: 'm2' });
    const [well, ill] = [
      fixture.broker(),
      fixture.broker({ name: 'b2', dataDirectory: 'd2', endpoint: '127.0.0.1:2' }),
    ];
    const found = {
      dataSource: 'm1',
      problem: '',
      version: '9.7.0',
      durability: Durability.DURABLE,
      unreachable: false,
    };
    well.dataSources = [found, { ...found, dataSource: 'm2' }];
    ill.dataSources = [{ ...found, problem: 'no connection', version: '', durability: Durability.UNSPECIFIED }];
    [well, ill].forEach((broker) => broker.heartbeat());
    const healthOf = async (dataSource: string): Promise<(readonly [string, string])[]> => {
      const answer = await fixture.admin.getDataSource({ dataSource });
      return (answer.dataSource?.health ?? []).map(({ problem, version }) => [problem, version] as const);
    };
    await eventually(async () => {
      expect([...(await healthOf('m1'))].sort()).toEqual([
        ['', '9.7.0'],
        ['no connection', ''],
      ]);
      expect(await healthOf('m2')).toEqual([['', '9.7.0']]);
    });
    ill.crash();
    await eventually(async () => {
      expect(await healthOf('m1')).toEqual([['', '9.7.0']]);
    });
  });

  describe('where brokers serve MySQL', () => {
    const createTopic = async (name: string, dataSources: string[] = [], partitions = 2): Promise<void> => {
      const topic = Topic.fromPartial({ name, partitions, storageClass: StorageClass.MYSQL, dataSources });
      await fixture.admin.createTopic({ topic });
    };
    const placesOf = async (topic: string): Promise<string[]> => {
      const { partitions } = await fixture.admin.listPartitions({ topic, pageToken: '' });
      return partitions.map(({ dataSource }) => dataSource);
    };

    let first: FakeBroker;
    beforeEach(() => {
      first = fixture.broker();
    });

    test('a topic lives on the data sources that it names, else where the fewest partitions are', async () => {
      await create();
      await create({ name: 'm2' });
      await createTopic('named', ['m2']);
      await createTopic('any');
      expect([await placesOf('named'), await placesOf('any')]).toEqual([
        ['m2', 'm2'],
        ['m1', 'm1'],
      ]);
      await fixture.stopServer();
      await fixture.start();
      expect([await placesOf('named'), await placesOf('any')]).toEqual([
        ['m2', 'm2'],
        ['m1', 'm1'],
      ]);
    });

    test('a partition moves to the broker that is asked for, is served there when that is answered, and stays', async () => {
      const { admin } = fixture;
      await create();
      await createTopic('t', [], 1);
      const other = fixture.broker({ name: 'b2', incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
      await eventually(() => other.grants.length > 0);
      const move = (broker: string, deadlineMs = 5_000) =>
        admin.movePartition({ topic: 't', partition: 0, broker }, { deadlineMs });
      const moved = move('b2');
      await eventually(() => first.revokes.length > 0);
      const held = first.assignments[0]!;
      first.send({ $case: 'released', value: held });
      expect(await moved).toEqual({ epoch: held.epoch + 1 });
      expect(other.assignments).toMatchObject([{ topic: 't', partition: 0, epoch: held.epoch + 1 }]);
      expect(await move('b2')).toEqual({ epoch: held.epoch + 1 });
      expect(await admin.rebalance({ dryRun: true })).toEqual({ moves: [] });
      expect(await failureOf(move('none'))).toMatchObject({ code: 'BROKER_NOT_FOUND' });
      // The owner is slow to give it back.
      expect(await failureOf(move('b1', 400))).toMatchObject({ code: 'PARTITION_MOVING', details: { topic: 't' } });
    });

    test('what a topic names must be there; one that names nothing needs any', async () => {
      expect(await failureOf(createTopic('t'))).toMatchObject({ code: 'DATA_SOURCE_NOT_FOUND' });
      await create();
      expect(await failureOf(createTopic('t', ['m1', 'm2']))).toMatchObject({
        code: 'DATA_SOURCE_NOT_FOUND',
        details: { data_source: 'm2' },
      });
      await createTopic('t');
      await fixture.admin.deleteTopic({ topic: 't', etag: '', force: false });
    });

    test('a data source is kept while a topic uses it, and never chosen once it is gone', async () => {
      for (const name of ['m1', 'm2', 'm3']) {
        await create({ name });
      }
      await createTopic('named', ['m1'], 1);
      await createTopic('placed', [], 1);
      for (const [dataSource, topic] of [
        ['m1', 'named'],
        ['m2', 'placed'],
      ] as const) {
        expect(await failureOf(fixture.admin.deleteDataSource({ dataSource }))).toMatchObject({
          code: 'RESOURCE_IN_USE',
          details: { topic },
        });
      }
      await fixture.admin.deleteDataSource({ dataSource: 'm3' });
      await createTopic('next', [], 4);
      expect(new Set(await placesOf('next'))).toEqual(new Set(['m1', 'm2']));
    });
  });
});
