// Single `producer.publish()` calls of the SDK, always the same number in flight. With a group, a consumer of the same
// process handles them, and what it has handled counts.
import sdk from '@hermes/client';

import { BODY_BYTES, CALLS_IN_FLIGHT } from '../shapes.mjs';
import { countPerSecond } from '../parts/rate.mjs';

export async function run({ metaServers, topic, group, warmUpMs, measureMs }) {
  const hermes = await sdk.connect({ metaServers });
  const producer = hermes.producer(topic, { codec: sdk.bytesCodec });
  const body = Buffer.alloc(BODY_BYTES, 'x');
  const load = (count) => {
    const publishForEver = async () => {
      for (;;) {
        await producer.publish(body);
        count(group === undefined ? 1 : 0);
      }
    };
    const handle = () => count(1);
    const ends = Array.from({ length: CALLS_IN_FLIGHT }, publishForEver);
    if (group !== undefined) {
      ends.push(hermes.consumer(topic, group, { codec: sdk.bytesCodec, concurrency: 1000 }).run(handle));
    }
    Promise.all(ends).catch((error) => {
      throw error;
    });
  };
  return countPerSecond(load, { warmUpMs, measureMs });
}
