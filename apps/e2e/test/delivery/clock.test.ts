import { Cluster } from '../harness/cluster.js';
import { describeClock } from './describe-clock.js';

jest.setTimeout(120_000);

describeClock('embedded storage', false, async (environmentOf) => {
  const processes = await Cluster.start({ brokers: 1, environmentOf });
  return { processes, topicFields: {}, losses: [], [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose]() };
});
