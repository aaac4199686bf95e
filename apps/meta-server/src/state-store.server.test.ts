import { DataSource, StateStore, StorageClass, Topic, type Topic_Kafka } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { type RowDataPacket } from 'mysql2/promise';

import { type FakeBroker } from '../test/fake-broker.js';
import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';
import { describeServers, type ServerDatabase } from '../test/server-database.js';

describeServers((create) => {
  let database: ServerDatabase;
  let fixture: MetaServerFixture;

  beforeEach(async () => {
    database = await create();
    fixture = await new MetaServerFixture().start(database.settings);
    await createSource('k1', { storageClass: StorageClass.KAFKA, endpoints: ['k1:9092'] });
    const mysql = { storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], database: 'hermes', username: 'u' };
    await createSource('m1', mysql);
  });

  afterEach(async () => {
    await fixture.stop();
    await database[Symbol.asyncDispose]();
  });

  const createSource = (name: string, fields: object) =>
    fixture.admin.createDataSource({ dataSource: DataSource.fromPartial({ name, ...fields }) });
  const createTopic = async (
    name: string,
    kafka?: Partial<Topic_Kafka>,
    dataSources: string[] = [],
  ): Promise<Topic> => {
    const fields = { name, partitions: 2, storageClass: StorageClass.KAFKA, dataSources };
    const topic = Topic.fromPartial(kafka === undefined ? fields : { ...fields, kafka });
    return (await fixture.admin.createTopic({ topic })).topic!;
  };
  const placesOf = async (topic: string): Promise<[string, string][]> => {
    const { partitions } = await fixture.admin.listPartitions({ topic, pageToken: '' });
    return partitions.map(({ dataSource, dataDirectory }) => [dataSource, dataDirectory]);
  };
  const giveBack = (broker: FakeBroker): void => {
    broker.revokes.forEach(({ assignment }) => {
      broker.send({ $case: 'released', value: assignment! });
    });
  };

  test('keep the state of topics on Kafka that name no data source for it: their partitions are anybody’s, and move', async () => {
    const broker = fixture.broker();
    const created = await createTopic('t');
    expect(created.kafka?.stateStore).toBe(StateStore.METADATA);
    expect(await createTopic('t')).toEqual(created);
    expect(await createTopic('t', { stateStore: StateStore.METADATA })).toEqual(created);
    const others = [StateStore.DATA_DIRECTORY, StateStore.DATA_SOURCE];
    for (const stateStore of others) {
      expect(await failureOf(createTopic('t', { stateStore }))).toMatchObject({ code: 'TOPIC_EXISTS' });
    }
    expect(await placesOf('t')).toEqual([0, 1].map(() => ['k1', '']));
    const other = fixture.broker({ name: 'b2', incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' });
    await eventually(() => broker.revokes.length === 1);
    giveBack(broker);
    await eventually(() => other.assignments.length === 1);
  });

  test('do not as long as some broker of the topic’s group has no way there, and an error names it', async () => {
    fixture.broker();
    const other = { name: 'b2', incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' };
    const stranger = fixture.broker({ ...other, reachesMetadata: false });
    await eventually(() => stranger.grants.length > 0);
    expect(await failureOf(createTopic('t'))).toMatchObject({
      ...{ code: 'UNSUPPORTED_BY_STORAGE', details: { feature: 'kafka.state_store' } },
      message: expect.stringContaining('not told the way: b2. Start them with --metadata-url') as string,
    });
    expect((await createTopic('there', undefined, ['m1'])).kafka?.stateStore).toBe(StateStore.DATA_SOURCE);
    stranger.crash();
    fixture.broker({ ...other, incarnation: 3 });
    await eventually(async () => {
      expect((await createTopic('t')).kafka?.stateStore).toBe(StateStore.METADATA);
    });
  });

  test('do not where that is not wanted', async () => {
    fixture.broker();
    const { DATA_DIRECTORY, DATA_SOURCE } = StateStore;
    expect((await createTopic('here', { stateStore: DATA_DIRECTORY })).kafka?.stateStore).toBe(DATA_DIRECTORY);
    expect(await placesOf('here')).toEqual([0, 1].map(() => ['k1', 'd1']));
    expect((await createTopic('there', undefined, ['m1'])).kafka?.stateStore).toBe(DATA_SOURCE);
  });

  test('are not where older topics keep it: with these it is noted where it is, once and for all', async () => {
    const { DATA_DIRECTORY, DATA_SOURCE } = StateStore;
    const broker = fixture.broker();
    await createTopic('here', { stateStore: DATA_DIRECTORY });
    await createTopic('there', undefined, ['m1']);
    await createTopic('oldest', { stateStore: DATA_DIRECTORY });
    await fixture.stopServer();
    const forget = (field: string, name: string) =>
      database.connection.query<RowDataPacket[]>(
        `UPDATE topic SET config = JSON_REMOVE(config, '${field}') WHERE name = '${name}'`,
      );
    await forget('$.kafka.stateStore', 'here');
    await forget('$.kafka.stateStore', 'there');
    await forget('$.kafka', 'oldest');
    for (const leader of ['first', 'next']) {
      await fixture.start(database.settings);
      fixture.broker({ held: broker.assignments });
      for (const [name, stateStore, dataSources] of [
        ['here', DATA_DIRECTORY, []],
        ['there', DATA_SOURCE, ['m1']],
        ['oldest', DATA_DIRECTORY, []],
      ] as const) {
        const noted = (await fixture.admin.getTopic({ topic: name })).topic?.kafka?.stateStore;
        expect([leader, name, noted]).toEqual([leader, name, stateStore]);
        expect((await createTopic(name, undefined, [...dataSources])).kafka?.stateStore).toBe(stateStore);
      }
      await fixture.stopServer();
    }
    await fixture.start(database.settings);
  });
});
