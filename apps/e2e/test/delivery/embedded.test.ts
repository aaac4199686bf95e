import { Cluster } from '../harness/cluster.js';
import { describeDelivery } from './describe-delivery.js';

jest.setTimeout(120_000);

describeDelivery('embedded storage', async () => {
  const processes = await Cluster.start({ brokers: 2, leaseTtlMs: 5_000 });
  return {
    processes,
    topicFields: {},
    [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
  };
});
