import {
  type CreateDataSourceRequest,
  CreateDataSourceResponse,
  type CreateTopicRequest,
  CreateTopicResponse,
  type DataSource,
  Durability,
  GetDataSourceResponse,
  ListDataSourcesResponse,
  ListPartitionsResponse,
  SaslMechanism,
  StateStore,
  StorageClass,
} from '@hermes/contracts';
import { cli, startFakeGateway } from '../../test/fake-gateway.js';

const HEALTH = [
  { broker: 'b0', problem: '', version: '9.7.0', durability: Durability.DURABLE },
  { broker: 'b1', problem: 'no connection', version: '', durability: Durability.UNSPECIFIED },
];

describe('data sources', () => {
  it('are created with the fields of the request, and shown', async () => {
    let asked: CreateDataSourceRequest | undefined;
    await using gateway = await startFakeGateway({
      createDataSource: (request: CreateDataSourceRequest) => {
        asked = request;
        return Promise.resolve(CreateDataSourceResponse.create(request));
      },
    });
    const place = ['--endpoints', 'db:3306', '--database', 'hermes', '--username', 'broker', '--secret', 'env:DB'];
    const flags = [...place, '--tls-ca', 'file:/ca.pem'];
    const run = await cli(['datasource', 'create', 'm1', ...flags, '--server', gateway.address]);
    expect(run.exitCode).toBe(0);
    expect(asked?.dataSource).toEqual({
      ...{ name: 'm1', storageClass: StorageClass.MYSQL, endpoints: ['db:3306'], database: 'hermes' },
      ...{ username: 'broker', secret: 'env:DB', tls: { ca: 'file:/ca.pem', certificate: '', key: '' }, health: [] },
    });
    expect(run.stdout).toMatch(/^data source +m1\nstorage class +mysql\nendpoints +db:3306\n/);
  });

  it('of Kafka are created with its fields, and described', async () => {
    let asked: DataSource | undefined;
    await using gateway = await startFakeGateway({
      createDataSource: (request: CreateDataSourceRequest) => {
        asked = request.dataSource;
        return Promise.resolve(CreateDataSourceResponse.create(request));
      },
      getDataSource: () => Promise.resolve(GetDataSourceResponse.fromPartial({ dataSource: asked })),
    });
    const server = ['--server', gateway.address];
    const run = await cli([
      ...['datasource', 'create', 'k1', '--storage-class', 'kafka', '--endpoints', 'k1:9092,k2:9092'],
      ...['--username', 'hermes', '--secret', 'env:KAFKA', '--sasl', 'scram-sha-256', '--replication-factor', '3'],
      ...['--topic-config', 'min.insync.replicas=2', '--topic-config', 'a=b=c', '--topic-prefix', 'prod', ...server],
    ]);
    expect(run.exitCode).toBe(0);
    expect(asked).toMatchObject({
      ...{ storageClass: StorageClass.KAFKA, endpoints: ['k1:9092', 'k2:9092'], database: '', username: 'hermes' },
      kafka: { sasl: SaslMechanism.SCRAM_SHA_256, replicationFactor: 3, topicPrefix: 'prod' },
    });
    expect([...(asked?.kafka?.topicConfig ?? [])]).toEqual([
      ['min.insync.replicas', '2'],
      ['a', 'b=c'],
    ]);
    const described = await cli(['datasource', 'describe', 'k1', ...server]);
    expect(described.stdout).toBe(run.stdout);
    expect(described.stdout).toMatch(
      /^topic prefix +prod\nreplication factor +3\ntopic config +min\.insync\.replicas=2, a=b=c\nuser +hermes \(scram-sha-256\)$/m,
    );
    await cli(['datasource', 'create', 'k2', '--storage-class', 'kafka', '--endpoints', 'k:9092', ...server]);
    expect(asked?.kafka).toBeUndefined();
  });

  it('are listed to the last page, and deleted', async () => {
    const deleted: string[] = [];
    await using gateway = await startFakeGateway({
      listDataSources: ({ pageToken }) =>
        Promise.resolve(
          ListDataSourcesResponse.fromPartial(
            pageToken === ''
              ? { dataSources: [{ name: 'm1', storageClass: StorageClass.MYSQL }], nextPageToken: 'n' }
              : {
                  dataSources: [
                    { ...{ name: 'm2', storageClass: StorageClass.MYSQL, endpoints: ['h:1'] }, health: HEALTH },
                    {
                      ...{ name: 'k1', storageClass: StorageClass.KAFKA, endpoints: ['k:1', 'k:2'], username: 'u' },
                      kafka: { sasl: SaslMechanism.PLAIN, topicPrefix: 'hermes' },
                    },
                  ],
                },
          ),
        ),
      deleteDataSource: ({ dataSource }) => {
        deleted.push(dataSource);
        return Promise.resolve({});
      },
    });
    const list = await cli(['datasource', 'list', '--server', gateway.address]);
    expect(list.stdout.split('\n').slice(1, 4)).toEqual([
      expect.stringMatching(/^m1 +mysql .* used by no broker yet$/) as unknown,
      expect.stringMatching(/^m2 +mysql +h:1 .* b1: no connection$/) as unknown,
      expect.stringMatching(/^k1 +kafka +k:1,k:2 +hermes +u \(plain\) .* used by no broker yet$/) as unknown,
    ]);
    const run = await cli(['datasource', 'delete', 'm1', '--server', gateway.address]);
    expect(run).toMatchObject({ exitCode: 0, stdout: 'data source m1 is deleted\n' });
    expect(deleted).toEqual(['m1']);
  });

  it('are named by a topic', async () => {
    let asked: CreateTopicRequest | undefined;
    await using gateway = await startFakeGateway({
      createTopic: (request: CreateTopicRequest) => {
        asked = request;
        return Promise.resolve(CreateTopicResponse.create(request));
      },
    });
    const flags = ['--storage-class', 'mysql', '--data-sources', 'm1, m2'];
    await cli(['topic', 'create', 't', ...flags, '--server', gateway.address]);
    expect(asked?.topic).toMatchObject({ storageClass: StorageClass.MYSQL, dataSources: ['m1', 'm2'] });
    expect(asked?.topic?.kafka).toBeUndefined();
    const attached = ['--storage-class', 'kafka', '--data-sources', 'k1,m1', '--kafka-topic', 'events', '--read-only'];
    const run = await cli(['topic', 'create', 't', ...attached, '--server', gateway.address]);
    expect(asked?.topic).toMatchObject({ dataSources: ['k1', 'm1'], kafka: { topic: 'events', readOnly: true } });
    expect(run.stdout).toMatch(/^kafka topic +events \(read-only\)$/m);
    for (const [word, stateStore] of [
      ['data-source', StateStore.DATA_SOURCE],
      ['metadata', StateStore.METADATA],
      ['data-directory', StateStore.DATA_DIRECTORY],
    ] as const) {
      const stored = ['--storage-class', 'kafka', '--state-store', word, '--server', gateway.address];
      const { stdout } = await cli(['topic', 'create', 't', ...stored]);
      expect(asked?.topic?.kafka).toEqual({ topic: '', readOnly: false, stateStore });
      expect(stdout).toMatch(new RegExp(`^state store +${word}$`, 'm'));
    }
  });

  it('are where partitions live, some with a data directory beside', async () => {
    await using gateway = await startFakeGateway({
      listPartitions: () =>
        Promise.resolve(
          ListPartitionsResponse.fromPartial({
            partitions: [
              { topic: 'a', broker: 'b1', dataSource: 'm1' },
              { topic: 'b', broker: 'b1', dataSource: 'd1', dataDirectory: 'd1' },
              { topic: 'c', broker: 'b1', dataSource: 'k1', dataDirectory: 'd1' },
            ],
          }),
        ),
    });
    const { stdout } = await cli(['partition', 'list', '--server', gateway.address]);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(5, 6))).toEqual([
      ['PLACE'],
      ['m1'],
      ['d1'],
      ['k1 + d1'],
      [],
    ]);
  });
});
