import { credentials } from '@grpc/grpc-js';
import {
  type AcknowledgeResponse,
  AdminServiceClient,
  Outcome,
  PartitionServiceClient,
  statusToError,
  Topic,
} from '@hermes/contracts';
import { receiptOf } from './fake-cluster.js';
import { answered, GatewayCluster, metadata, options } from './gateway-cluster.js';

describe('forwarding through a gateway', () => {
  let cluster: GatewayCluster;

  beforeEach(async () => {
    cluster = new GatewayCluster();
    await cluster.start();
  });

  afterEach(() => cluster.stop());

  it('settles at the owners of the receipts and merges the answers', async () => {
    const entries = [
      [0, 5],
      [1, 6],
      [2, 7],
    ].map(([partition, offset]) => ({ receipt: receiptOf(partition!, offset!), outcome: Outcome.ACK, reason: '' }));
    entries.push({ receipt: Buffer.from('nonsense'), outcome: Outcome.ACK, reason: '' });
    const request = { topic: 't', group: 'g', consumer: 'c', entries };
    const { results } = await answered<{ results: { error?: unknown }[] }>((callback) =>
      cluster.client.acknowledge(request, metadata, options(), callback),
    );
    expect(results.map(({ error }) => error === undefined)).toEqual([true, true, true, false]);
    expect(cluster.brokers[0].acknowledged).toEqual([5, 7]);
    expect(cluster.brokers[1].acknowledged).toEqual([6]);
  });

  it('merges what all owners tell of a topic, and needs all of them', async () => {
    const partitions = new PartitionServiceClient(cluster.gateway.endpoint, credentials.createInsecure());
    const describe = (withinMs: number): Promise<{ lanes: { partition: number }[] }> =>
      answered((callback) => partitions.describeTopic({ topic: 't' }, metadata, options(withinMs), callback));
    expect((await describe(5_000)).lanes.map(({ partition }) => partition)).toEqual([0, 1, 2]);
    await cluster.brokers[1].kill();
    await expect(describe(600)).rejects.toMatchObject({ code: 'PARTITION_MOVING' });
    partitions.close();
  });

  it('forwards administration to the meta-server, with the details of errors', async () => {
    const admin = new AdminServiceClient(cluster.gateway.endpoint, credentials.createInsecure());
    const { topic } = await answered<{ topic?: Topic | undefined }>((callback) =>
      admin.getTopic({ topic: 't' }, metadata, options(), callback),
    );
    expect(topic?.name).toBe('t');
    const created = answered((callback) => admin.createTopic({ topic: Topic.create() }, metadata, options(), callback));
    await expect(created).rejects.toMatchObject({
      code: 'INVALID_FIELD',
      violations: [{ field: 'topic.name', description: 'at most 200 bytes' }],
    });
    admin.close();
  });

  it('answers a receipt of a partition that the topic does not have at once', async () => {
    const entries = [{ receipt: receiptOf(900, 1), outcome: Outcome.ACK, reason: '' }];
    const request = { topic: 't', group: 'g', consumer: 'c', entries };
    const { results } = await answered<AcknowledgeResponse>((callback) =>
      cluster.client.acknowledge(request, metadata, options(60_000), callback),
    );
    expect(results.map(({ error }) => error && statusToError(error).code)).toEqual(['NOT_ALLOWED']);
  });
});
