// One consumer of the SDK that handles what is there in batches; counts handled messages.
import sdk from '@hermes/client';

import { countPerSecond } from '../parts/rate.mjs';

export async function run({ metaServers, topic, group, warmUpMs, measureMs }) {
  const hermes = await sdk.connect({ metaServers });
  const consumer = hermes.consumer(topic, group, { codec: sdk.bytesCodec, maxInFlight: 10_000 });
  const load = (count) => {
    consumer
      .runBatches((deliveries) => count(deliveries.length), { size: 1_000 })
      .catch((error) => {
        throw error;
      });
  };
  return countPerSecond(load, { warmUpMs, measureMs });
}
