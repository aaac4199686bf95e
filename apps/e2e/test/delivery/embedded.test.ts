import { Cluster } from '../harness/cluster.js';
import { killings, LEASE_TTL_MS } from './delivery-suite.js';
import { describeDelivery } from './describe-delivery.js';

jest.setTimeout(120_000);

describeDelivery('embedded storage', async () => {
  const processes = await Cluster.start({ brokers: 2, leaseTtlMs: LEASE_TTL_MS });
  return {
    processes,
    topicFields: {},
    losses: killings(processes.brokers),
    [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
  };
});
