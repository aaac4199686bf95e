import {
  type CreateTopicRequest,
  CreateTopicResponse,
  type CreateGroupRequest,
  CreateGroupResponse,
  DrainBrokerResponse,
  GetTopicResponse,
  GroupMode,
  ListPartitionsResponse,
  ListTopicsResponse,
  type UpdateTopicRequest,
  UpdateTopicResponse,
} from '@hermes/contracts';
import { cli, type FakeGateway, startFakeGateway } from '../../test/fake-gateway.js';

describe('topics and groups', () => {
  it('sends flags as the fields of the request, and defaults not at all', async () => {
    const requests: CreateTopicRequest[] = [];
    await using gateway = await startFakeGateway({
      createTopic: (request) => {
        requests.push(request);
        return Promise.resolve(CreateTopicResponse.fromPartial({ topic: { name: 'orders', partitions: 8 } }));
      },
    });
    const server = ['--server', gateway.address];
    const run = await cli([
      ...['topic', 'create', 'orders', '--partitions', '8', '--max-body-bytes', '2MiB', '--retention-age', '36h'],
      ...['--max-attempts', '5', '--retry-initial', '1500ms', '--retry-max', '2m', ...server],
    ]);
    expect(run).toMatchObject({ exitCode: 0, stderr: '' });
    expect(run.stdout).toContain('partitions  8');
    await cli(['topic', 'create', 'plain', ...server]);
    expect(requests[0]?.topic).toMatchObject({
      name: 'orders',
      partitions: 8,
      maxBodyBytes: 2_097_152,
      retentionAge: { seconds: 129_600, nanos: 0 },
      retry: {
        kind: {
          $case: 'exponential',
          value: { initial: { seconds: 1, nanos: 500_000_000 }, max: { seconds: 120, nanos: 0 }, multiplier: 0 },
        },
        maxAttempts: 5,
      },
    });
    expect(requests[1]?.topic).toMatchObject({ name: 'plain', partitions: undefined, retry: undefined, paused: false });
  });

  it('changes only what is given; a part of the retry policy keeps the rest, guarded by the etag', async () => {
    const requests: UpdateTopicRequest[] = [];
    await using gateway = await startFakeGateway({
      getTopic: () =>
        Promise.resolve(
          GetTopicResponse.fromPartial({
            topic: {
              name: 't',
              etag: '1-7',
              retry: {
                kind: { $case: 'exponential', value: { initial: { seconds: 3 }, multiplier: 4 } },
                maxAttempts: 9,
              },
            },
          }),
        ),
      updateTopic: (request) => {
        requests.push(request);
        return Promise.resolve(UpdateTopicResponse.fromPartial({ topic: { name: 't' } }));
      },
    });
    const server = ['--server', gateway.address];
    await cli(['topic', 'update', 't', '--no-paused', ...server]);
    await cli(['topic', 'update', 't', '--max-attempts', '2', ...server]);
    expect(requests[0]).toMatchObject({ topic: { paused: false, etag: '' }, updateMask: ['paused'] });
    expect(requests[1]).toMatchObject({
      topic: {
        etag: '1-7',
        retry: {
          kind: { $case: 'exponential', value: { initial: { seconds: 3 }, multiplier: 4 } },
          maxAttempts: 2,
        },
      },
      updateMask: ['retry'],
    });
  });

  it('reads the classic notation of a retry policy, instead of its parts', async () => {
    const requests: CreateGroupRequest[] = [];
    await using gateway = await startFakeGateway({
      createGroup: (request) => {
        requests.push(request);
        return Promise.resolve(CreateGroupResponse.fromPartial({ group: { ...request.group } }));
      },
    });
    const create = ['group', 'create', 't', 'g', '--server', gateway.address];
    expect(await cli([...create, '--retry', '3:[3,3000]'])).toMatchObject({ exitCode: 0 });
    expect(requests[0]?.group?.retry).toEqual({
      kind: { $case: 'fixed', value: { delay: { seconds: 3, nanos: 0 } } },
      maxAttempts: 4,
    });
    const refused = await cli([...create, '--retry', '3:[3]']);
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has two numbers') as unknown });
    expect(await cli([...create, '--retry', '2:[]', '--max-attempts', '2'])).toMatchObject({ exitCode: 64 });
  });

  it('prints responses as protobuf JSON, one line each', async () => {
    await using gateway = await startFakeGateway({
      createGroup: (request: CreateGroupRequest) =>
        Promise.resolve(
          CreateGroupResponse.fromPartial({ group: { ...request.group, createdAt: { seconds: 1, nanos: 0 } } }),
        ),
    });
    const { stdout } = await cli([
      ...['group', 'create', 't', 'g', '--mode', 'exclusive', '--start', 'earliest', '--ack-deadline', '1500ms'],
      ...['-o', 'json', '--server', gateway.address],
    ]);
    expect(stdout.endsWith('}\n')).toBe(true);
    expect(JSON.parse(stdout)).toEqual({
      group: {
        topic: 't',
        name: 'g',
        mode: 'GROUP_MODE_EXCLUSIVE',
        start: { edge: 'POSITION_EDGE_EARLIEST' },
        ackDeadline: '1.5s',
        createdAt: '1970-01-01T00:00:01.000Z',
      },
    });
    expect(GroupMode.EXCLUSIVE).toBe(1);
  });

  it('lists all pages', async () => {
    await using gateway = await startFakeGateway({
      listTopics: ({ pageToken }) =>
        Promise.resolve(
          ListTopicsResponse.fromPartial(
            pageToken === ''
              ? { topics: [{ name: 'a', partitions: 4 }], nextPageToken: 'more' }
              : { topics: [{ name: 'long-name', partitions: 16 }] },
          ),
        ),
    });
    const { stdout } = await cli(['topic', 'list', '--server', gateway.address]);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual([
      ['TOPIC', 'PARTITIONS'],
      ['a', '4'],
      ['long-name', '16'],
      [''],
    ]);
  });

  describe('broker drain --wait', () => {
    /** A broker `b` that owns a partition of each topic until it has moved. */
    const drained = (dataDirectory: string): Promise<FakeGateway> => {
      let left = 4;
      return startFakeGateway({
        drainBroker: () => Promise.resolve(DrainBrokerResponse.fromPartial({ partitionsLeft: (left -= 1) })),
        listPartitions: () =>
          Promise.resolve(
            ListPartitionsResponse.fromPartial({
              partitions: [0, 1, 2].map((partition) => {
                return { topic: 'orders', partition, broker: partition < left ? 'b' : 'c', dataDirectory };
              }),
            }),
          ),
      });
    };

    it('waits until the broker has nothing left, telling how it goes', async () => {
      await using gateway = await drained('');
      const run = await cli(['broker', 'drain', 'b', '--wait', '--server', gateway.address]);
      expect(run.exitCode).toBe(0);
      expect(run.stderr).toContain('b: 2 partitions left');
      expect(run.stdout).toContain('partitions left: 0');
    });

    it('ends when only partitions are left that are bound to its data directory, and names them', async () => {
      await using gateway = await drained('d');
      const run = await cli(['broker', 'drain', 'b', '--wait', '--server', gateway.address]);
      expect(run.exitCode).toBe(0);
      expect(run.stdout).toContain('partitions left: 3');
      expect(run.stdout).toContain('they are bound to its data directory and stay: orders/0, orders/1, orders/2');
    });
  });
});
