import { DataSource, Durability, SaslMechanism, StateStore, StorageClass, Topic } from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { failureOf, MetaServerFixture } from '../test/meta-server-fixture.js';

describe('topics on Kafka', () => {
  let fixture: MetaServerFixture;

  const createSource = async (name: string, fields: object = {}): Promise<DataSource> => {
    const kafka = { name, storageClass: StorageClass.KAFKA, endpoints: ['k1:9092', 'k2:9092'] };
    const given = DataSource.fromPartial({ ...kafka, ...fields });
    return (await fixture.admin.createDataSource({ dataSource: given })).dataSource!;
  };
  const createMysql = (name: string): Promise<DataSource> =>
    createSource(name, {
      ...{ storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], database: 'hermes', username: 'u' },
    });
  const createTopic = async (name: string, fields: object = {}): Promise<Topic> => {
    const given = Topic.fromPartial({ name, partitions: 2, storageClass: StorageClass.KAFKA, ...fields });
    return (await fixture.admin.createTopic({ topic: given })).topic!;
  };
  const placesOf = async (topic: string): Promise<[string, string][]> => {
    const { partitions } = await fixture.admin.listPartitions({ topic, pageToken: '' });
    return partitions.map(({ dataSource, dataDirectory }) => [dataSource, dataDirectory]);
  };
  const second = { name: 'b2', incarnation: 2, endpoint: '127.0.0.1:2', dataDirectory: 'd2' };

  beforeEach(async () => {
    fixture = await new MetaServerFixture().start();
  });

  afterEach(async () => {
    await fixture.stop();
  });

  test('a data source is created with its defaults; the identical again is OK, in any order of its settings', async () => {
    const topicConfig = new Map([
      ['retention.ms', '-1'],
      ['min.insync.replicas', '2'],
    ]);
    const fields = { username: 'u', secret: 'env:P', kafka: { topicConfig } };
    const created = await createSource('k1', fields);
    expect(created.kafka).toMatchObject({ sasl: SaslMechanism.PLAIN, replicationFactor: 0, topicPrefix: 'hermes' });
    const turned = { ...fields, kafka: { topicConfig: new Map([...topicConfig].reverse()) } };
    expect(await createSource('k1', turned)).toEqual(created);
    expect((await fixture.admin.getDataSource({ dataSource: 'k1' })).dataSource).toEqual(created);
    expect(await failureOf(createSource('k1', { ...fields, kafka: { replicationFactor: 3 } }))).toMatchObject({
      code: 'DATA_SOURCE_EXISTS',
    });
  });

  test('without a MySQL data source partitions are bound to a data directory beside their Kafka one', async () => {
    const broker = fixture.broker();
    await createSource('k1');
    expect(await createTopic('t')).toMatchObject({
      ...{ requiredDurability: Durability.REPLICATED, kafka: { stateStore: StateStore.DATA_DIRECTORY } },
    });
    const bound = [0, 1].map(() => ['k1', 'd1']);
    expect(await placesOf('t')).toEqual(bound);
    expect(broker.assignments.map(({ dataSource }) => dataSource)).toEqual(['k1', 'k1']);
    const other = fixture.broker(second);
    await eventually(() => other.grants.length > 0);
    const move = fixture.admin.movePartition({ topic: 't', partition: 0, broker: 'b2' });
    expect(await failureOf(move)).toMatchObject({
      ...{ code: 'UNSUPPORTED_BY_STORAGE', details: { feature: 'MovePartition' } },
    });
    expect(await fixture.admin.drainBroker({ broker: 'b1', cancel: false })).toEqual({ partitionsLeft: 2 });
    await fixture.stopServer();
    await fixture.start();
    expect(await placesOf('t')).toEqual(bound);
  });

  test('with a MySQL data source for their groups’ state partitions are anybody’s, and move', async () => {
    const broker = fixture.broker();
    await createSource('k1');
    await createSource('k2');
    await createMysql('m1');
    await createMysql('m2');
    const any = await createTopic('any', { dataSources: ['m1'] });
    expect(any).toMatchObject({ kafka: { stateStore: StateStore.DATA_SOURCE } });
    expect(await createTopic('any', { dataSources: ['m1'] })).toEqual(any);
    const named = { dataSources: ['m1'], kafka: { stateStore: StateStore.DATA_SOURCE } };
    expect(await createTopic('any', named)).toEqual(any);
    await createTopic('named', { dataSources: ['k2', 'm2'] });
    expect(await placesOf('any')).toEqual([
      ['k1', ''],
      ['k2', ''],
    ]);
    expect(await placesOf('named')).toEqual([
      ['k2', ''],
      ['k2', ''],
    ]);
    const other = fixture.broker(second);
    await eventually(() => broker.revokes.length === 2);
    broker.revokes.forEach(({ assignment }) => {
      broker.send({ $case: 'released', value: assignment! });
    });
    await eventually(() => other.assignments.length === 2);
    for (const [dataSource, topic] of [
      ['k1', 'any'],
      ['m1', 'any'],
      ['m2', 'named'],
    ] as const) {
      expect(await failureOf(fixture.admin.deleteDataSource({ dataSource }))).toMatchObject({
        ...{ code: 'RESOURCE_IN_USE', details: { topic } },
      });
    }
  });

  test('what a topic names must fit, and there must be a Kafka data source', async () => {
    fixture.broker();
    await createMysql('m1');
    await createMysql('m2');
    expect(await failureOf(createTopic('t'))).toMatchObject({ code: 'DATA_SOURCE_NOT_FOUND' });
    expect(await failureOf(createTopic('t', { dataSources: ['m1'] }))).toMatchObject({ code: 'DATA_SOURCE_NOT_FOUND' });
    await createSource('k1');
    for (const [field, fields] of [
      ['topic.data_sources[1]', { dataSources: ['m1', 'm2'] }],
      ['topic.data_sources[0]', { dataSources: ['k1'], storageClass: StorageClass.MYSQL }],
      ['topic.data_sources', { kafka: { topic: 'events' } }],
      ['topic.kafka.state_store', { kafka: { stateStore: StateStore.DATA_SOURCE } }],
      ['topic.kafka.state_store', { kafka: { stateStore: StateStore.METADATA } }],
      ['topic.kafka.state_store', { kafka: { stateStore: 9 } }],
      ['topic.kafka.state_store', { dataSources: ['m1'], kafka: { stateStore: StateStore.METADATA } }],
      ['topic.kafka.state_store', { dataSources: ['m1'], kafka: { stateStore: StateStore.DATA_DIRECTORY } }],
    ] as const) {
      expect(await failureOf(createTopic('t', fields))).toMatchObject({
        ...{ code: 'INVALID_FIELD', violations: [{ field }] },
      });
    }
    const attached = { dataSources: ['k1'], kafka: { topic: 'events', readOnly: true } };
    const topic = await createTopic('t', attached);
    expect(topic).toMatchObject(attached);
    expect(await createTopic('t', attached)).toEqual(topic);
    expect(await failureOf(createTopic('t', { ...attached, kafka: { topic: 'events' } }))).toMatchObject({
      code: 'TOPIC_EXISTS',
    });
  });

  test('may be the default', async () => {
    await fixture.stopServer();
    await fixture.start({ defaultStorageClass: 'kafka' });
    fixture.broker();
    await createSource('k1');
    expect(await createTopic('t', { storageClass: StorageClass.UNSPECIFIED })).toMatchObject({
      ...{ storageClass: StorageClass.KAFKA, requiredDurability: Durability.REPLICATED },
    });
  });
});
