import {
  type CreateDataSourceRequest,
  CreateDataSourceResponse,
  type CreateTopicRequest,
  CreateTopicResponse,
  Durability,
  ListDataSourcesResponse,
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
    expect(list.stdout.split('\n').slice(1, 3)).toEqual([
      expect.stringMatching(/^m1 +mysql .* used by no broker yet$/) as unknown,
      expect.stringMatching(/^m2 +mysql +h:1 .* b1: no connection$/) as unknown,
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
  });
});
