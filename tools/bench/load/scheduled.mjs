// Publishes messages that are due later, by the SDK, with so many calls in flight.
import sdk from '@hermes/client';
import hdr from 'hdr-histogram-js';

import { BODY_BYTES } from '../shapes.mjs';

const CALLS_IN_FLIGHT = 2_000;
/** Messages whose lateness is measured, and over which time they become due. */
const MEASURED = 2_000;
const SPREAD_MS = 2_000;

async function publishAll(producer, count, delayOf) {
  let next = 0;
  const publisher = async () => {
    for (let nth = (next += 1); nth <= count; nth = next += 1) {
      const delayMs = delayOf(nth);
      const body = Buffer.alloc(BODY_BYTES);
      body.writeDoubleLE(Date.now() + delayMs, 0);
      await producer.publish(body, { delayMs });
    }
  };
  await Promise.all(Array.from({ length: CALLS_IN_FLIGHT }, publisher));
}

/** `waiting` messages for days to come; then, with a group, how late some that are due soon are handled. */
export async function run({ metaServers, topic, group, waiting }) {
  const hermes = await sdk.connect({ metaServers, timeoutMs: 60_000 });
  const producer = hermes.producer(topic, { codec: sdk.bytesCodec });
  await publishAll(producer, waiting, () => 86_400_000);
  const lateness = hdr.build({ useWebAssembly: false });
  let [seen, early] = [0, 0];
  const consumer = hermes.consumer(topic, group, { codec: sdk.bytesCodec, concurrency: 1000 });
  const all = new Promise((resolve) => {
    void consumer.run(({ body }) => {
      const lateMs = Date.now() - Buffer.from(body).readDoubleLE(0);
      lateness.recordValue(Math.max(0, Math.round(lateMs * 1000)));
      // The times of publisher and store differ by what the call took.
      early += lateMs < -1 ? 1 : 0;
      seen += 1;
      if (seen === MEASURED) {
        resolve();
      }
    });
  });
  await publishAll(producer, MEASURED, (nth) => 1_000 + (nth * SPREAD_MS) / MEASURED);
  await all;
  await hermes.close();
  return { p99: lateness.getValueAtPercentile(99) / 1000, max: lateness.maxValue / 1000, early };
}
