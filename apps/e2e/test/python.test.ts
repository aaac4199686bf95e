import { Cluster } from './harness/cluster.js';
import { runPythonClient } from './harness/python.js';

describe('a client in another language, from the protos alone', () => {
  it('creates a topic and a group, publishes, subscribes and acknowledges through the gateway', async () => {
    await using cluster = await Cluster.start({ brokers: 2 });
    expect(await runPythonClient(cluster.gatewayEndpoint)).toEqual([
      { step: 'create', partitions: 4, mode: 'GROUP_MODE_KEY_ORDERED' },
      { step: 'publish', ids: 100, durability: ['DURABILITY_DURABLE'] },
      { step: 'consume', partitions: [0, 1, 2, 3], seen: 100, intact: true, ordered: true, failed: 0 },
      { step: 'describe', lanes: 4, lag: 0 },
      { step: 'refused', code: 'NOT_FOUND', reason: 'TOPIC_NOT_FOUND' },
    ]);
  });
});
