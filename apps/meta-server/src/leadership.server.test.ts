import { once } from 'node:events';

import { type ServiceError } from '@grpc/grpc-js';
import { fromServiceError, Topic } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';
import { describeServers, type ServerDatabase } from '../test/server-database.js';

/** Leadership ends by itself after 5 s. */
const ELECTION = { deadlineMs: 30_000 };

describeServers((create) => {
  let database: ServerDatabase;
  let first: MetaServerFixture;
  const started: MetaServerFixture[] = [];
  const startOne = async (): Promise<MetaServerFixture> => {
    const fixture = await new MetaServerFixture().start(database.settings);
    started.push(fixture);
    return fixture;
  };

  beforeEach(async () => {
    database = await create();
    first = await startOne();
  });

  afterEach(async () => {
    await Promise.all(started.splice(0).map((fixture) => fixture.stop()));
    await database[Symbol.asyncDispose]();
  });

  const createTopic = (fixture: MetaServerFixture, name: string) =>
    fixture.admin.createTopic({ topic: Topic.fromPartial({ name, partitions: 2 }) });
  const owners = async (fixture: MetaServerFixture) =>
    (await fixture.admin.listPartitions({ topic: 'orders', pageToken: '' })).partitions.map(
      ({ broker, epoch, state }) => ({ broker, epoch, state }),
    );
  const leads = (fixture: MetaServerFixture) => eventually(async () => fixture.admin.getCluster({}), ELECTION);

  test('a meta-server keeps its topics and epochs over a restart', async () => {
    const broker = first.broker();
    await createTopic(first, 'orders');
    const epochs = broker.assignments.map(({ epoch }) => epoch);
    await first.stopServer();
    await first.start(database.settings);
    first.broker({ held: broker.assignments });
    await eventually(async () => {
      expect((await owners(first)).map(({ broker: owner, epoch }) => [owner, epoch])).toEqual(
        epochs.map((epoch) => ['b1', epoch]),
      );
    });
    expect(await first.admin.getCluster({})).toMatchObject({ leaderEpoch: 2 });
  });

  test('one that follows answers what is stored, and refers to the leader for all else', async () => {
    first.broker();
    await createTopic(first, 'orders');
    const second = await startOne();
    expect(await second.admin.getTopic({ topic: 'orders' })).toMatchObject({ topic: { name: 'orders' } });
    expect((await second.admin.listTopics({ pageToken: '' })).topics.map(({ name }) => name)).toEqual(['orders']);
    const referred = { code: 'NOT_LEADER', details: { endpoint: first.server.endpoint, epoch: '1' } };
    expect(await failureOf(createTopic(second, 'late'))).toMatchObject(referred);
    expect(await failureOf(second.admin.getCluster({}))).toMatchObject(referred);
    const broker = second.broker({ name: 'b2', incarnation: 2, dataDirectory: 'd2' });
    await eventually(() => broker.ended !== undefined);
    expect(broker.ended).toMatchObject(referred);
    expect(broker.grants).toEqual([]);
    const consumer = second.consumer();
    consumer.join(1, 'c1');
    await eventually(() => consumer.ended !== undefined);
    expect(consumer.ended).toMatchObject(referred);
    const watch = second.newCoordination().watchRoutes({ topics: [] });
    const [refused] = (await once(watch, 'error')) as [ServiceError];
    expect(fromServiceError(refused)).toMatchObject(referred);
  });

  test('leadership goes to the next one when the leader stops, and nobody’s partitions move', async () => {
    const broker = first.broker();
    await createTopic(first, 'orders');
    const second = await startOne();
    const before = await owners(first);
    const former = first.server.endpoint;
    expect(new Set((await first.admin.getCluster({})).metaServers)).toEqual(new Set([former, second.server.endpoint]));
    await first.stopServer();
    await leads(second);
    second.broker({ held: broker.assignments });
    await eventually(async () => {
      expect(await owners(second)).toEqual(before);
    });
    await createTopic(second, 'late');
    const cluster = await second.admin.getCluster({});
    expect(cluster).toMatchObject({ leaderEndpoint: second.server.endpoint, leaderEpoch: 2 });
    expect(cluster.metaServers).toEqual([second.server.endpoint]);
    expect(cluster.leadershipTerms.map(({ epoch, endpoint }) => [epoch, endpoint])).toEqual([
      [2, second.server.endpoint],
      [1, former],
    ]);
  });

  test('leadership changes ten times in a row: one leads at a time, and no partition moves', async () => {
    const broker = first.broker();
    await createTopic(first, 'orders');
    const before = await owners(first);
    let leader = first;
    for (let epoch = 2; epoch <= 11; epoch += 1) {
      const next = await startOne();
      await leader.stopServer();
      leader = next;
      await leads(leader);
      expect(await leader.admin.getCluster({})).toMatchObject({ leaderEpoch: epoch });
      leader.broker({ held: broker.assignments });
      await eventually(async () => {
        expect(await owners(leader)).toEqual(before);
      });
    }
  });

  test('one that is deposed ends its streams with NOT_LEADER, answers no heartbeat, writes nothing and follows', async () => {
    const broker = first.broker();
    await createTopic(first, 'orders');
    const answered = (): number => broker.grants.filter(({ sequence }) => sequence > 0).length;
    await eventually(() => answered() > 0);
    const second = await startOne();
    const { connection } = database;
    await connection.query(
      `update leadership set holder = 'meta-3:4370', incarnation = 1, epoch = epoch + 1,
       expires_at = unix_timestamp(now(3)) * 1000 + 3000`,
    );
    await eventually(() => broker.ended !== undefined);
    expect(broker.ended).toMatchObject({ code: 'NOT_LEADER', details: { endpoint: 'meta-3:4370' } });
    expect(await failureOf(createTopic(first, 'late'))).toMatchObject({
      ...{ code: 'NOT_LEADER', details: { endpoint: 'meta-3:4370', epoch: '2' } },
    });
    expect((await connection.query(`select name from topic`))[0]).toEqual([{ name: 'orders' }]);
    // Whoever deposed it never comes back: one of the two leads again, at one more epoch.
    const { leaderEpoch } = await eventually(
      () => Promise.any([first.admin.getCluster({}), second.admin.getCluster({})]),
      ELECTION,
    );
    expect(leaderEpoch).toBe(3);
    expect([...first.fatal, ...second.fatal]).toEqual([]);
  });

  test('while the database stands still nobody leads; afterwards one does, and no partition moves', async () => {
    const broker = first.broker();
    await createTopic(first, 'orders');
    const before = await owners(first);
    const second = await startOne();
    await database.connection.query('lock tables leadership write');
    await eventually(() => broker.ended !== undefined, ELECTION);
    expect(broker.ended).toMatchObject({ code: 'NOT_LEADER' });
    await eventually(async () => {
      expect(await failureOf(second.admin.getCluster({}))).toMatchObject({ code: 'NO_LEADER' });
    }, ELECTION);
    await database.connection.query('unlock tables');
    const leader = await eventually(
      () => Promise.any([first, second].map((each) => each.admin.getCluster({}).then(() => each))),
      ELECTION,
    );
    leader.broker({ held: broker.assignments });
    await eventually(async () => {
      expect(await owners(leader)).toEqual(before);
    });
    expect([...first.fatal, ...second.fatal]).toEqual([]);
  });
});
