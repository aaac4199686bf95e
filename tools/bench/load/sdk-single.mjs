// Single `producer.publish()` calls of the SDK, always the same number in flight.
import sdk from '@hermes/client';

import { BODY_BYTES, CALLS_IN_FLIGHT } from '../shapes.mjs';
import { countPerSecond } from '../parts/rate.mjs';

export async function run({ metaServers, topic, warmUpMs, measureMs }) {
  const hermes = await sdk.connect({ metaServers });
  const producer = hermes.producer(topic, { codec: sdk.bytesCodec });
  const body = Buffer.alloc(BODY_BYTES, 'x');
  const load = (count) => {
    const publishForEver = async () => {
      for (;;) {
        await producer.publish(body);
        count(1);
      }
    };
    for (let i = 0; i < CALLS_IN_FLIGHT; i += 1) {
      publishForEver().catch((error) => {
        throw error;
      });
    }
  };
  return countPerSecond(load, { warmUpMs, measureMs });
}
