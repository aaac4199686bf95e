import { AssignmentReason, BrokerState, GetClusterResponse, ListPartitionsResponse } from '@hermes/contracts';
import { cli, startFakeGateway } from '../../test/fake-gateway.js';

const cells = (stdout: string): string[][] => stdout.split('\n').map((line) => line.split(/ {2,}/));

describe('hermes cluster, broker list, partition list', () => {
  const cluster = GetClusterResponse.fromPartial({
    leaderEndpoint: 'm:4370',
    brokers: [
      {
        name: 'a',
        state: BrokerState.ACTIVE,
        weight: 0.5,
        incarnation: 7,
        leaseLeft: { seconds: 9, nanos: 840_000_000 },
      },
      { name: 'b', state: BrokerState.DRAINING, drained: true, movingPartitions: 3 },
      { name: 'c', state: BrokerState.DRAINING },
      { name: 'd', state: BrokerState.GONE, drained: true },
    ],
    consumers: [
      {
        ...{ topic: 'orders', group: 'g', consumer: 'x', connected: true, leaseLeft: { seconds: 10, nanos: 0 } },
        held: [...[0, 1, 3].map((partition) => ({ partition, epoch: 5 })), { partition: 4, epoch: 6 }],
      },
      { topic: 'orders', group: 'g', consumer: 'y', held: [] },
    ],
  });

  it('show leases, drains and who consumes what', async () => {
    const requests: unknown[] = [];
    await using gateway = await startFakeGateway({
      getCluster: (request) => {
        requests.push(request);
        return Promise.resolve(cluster);
      },
    });
    const shown = cells((await cli(['cluster', '--server', gateway.address])).stdout);
    expect(shown.find(([name]) => name === 'a')?.slice(4, 10)).toEqual(['0.5', 'active', '0', '0', '9.8s', '7']);
    expect(shown.find(([name]) => name === 'b')?.slice(4, 10)).toEqual(['-', 'draining', '0', '3', '-', '-']);
    expect(shown.filter(([name]) => name === 'c' || name === 'd').map((row) => row[5])).toEqual([
      'stopping',
      'gone, drained',
    ]);
    expect(shown.filter(([topic]) => topic === 'orders')).toEqual([
      ['orders', 'g', 'x', 'connected', '10.0s', '0-1@5 3@5 4@6'],
      ['orders', 'g', 'y', 'away', '-', '-'],
    ]);
    const { stdout } = await cli(['broker', 'list', '--server', gateway.address]);
    expect(cells(stdout).map(([name]) => name)).toEqual(['BROKER', 'a', 'b', 'c', 'd', '']);
    expect(requests).toEqual([{ consumers: true }, {}]);
  });

  it('say why each partition is where it is', async () => {
    const { ADOPTED, CREATED, BALANCED, OWNER_LOST, RELEASED, DRAINED, MOVED, DATA_DIRECTORY } = AssignmentReason;
    const reasons = [ADOPTED, CREATED, BALANCED, OWNER_LOST, RELEASED, DRAINED, MOVED, DATA_DIRECTORY];
    const partitions = [...reasons.map((reason) => ({ topic: 't', broker: 'a', reason })), { topic: 't' }];
    await using gateway = await startFakeGateway({
      listPartitions: () => Promise.resolve(ListPartitionsResponse.fromPartial({ partitions })),
    });
    const { stdout } = await cli(['partition', 'list', '--server', gateway.address]);
    expect(cells(stdout).map((row) => row.at(-1))).toEqual([
      ...['REASON', 'adopted', 'created', 'balanced', 'owner lost', 'released', 'drained', 'moved by hand'],
      ...['data directory', '-', ''],
    ]);
  });
});
