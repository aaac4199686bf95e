// Open loop: publishes on a schedule whatever the answers do, and measures from the scheduled time to the handler. A
// stall is therefore not hidden, and how late the sends were is reported beside it.
import sdk from '@hermes/client';
import hdr from 'hdr-histogram-js';

import { BODY_BYTES, sleep } from '../shapes.mjs';
import { pace } from './pacer.mjs';

const now = () => performance.now();
/** Histograms count microseconds. */
const record = (histogram, ms) => histogram.recordValue(Math.max(0, Math.round(ms * 1000)));
const percentiles = (histogram) => ({
  p50: histogram.getValueAtPercentile(50) / 1000,
  p99: histogram.getValueAtPercentile(99) / 1000,
  max: histogram.maxValue / 1000,
});

export async function run({ metaServers, topic, group, rate, warmUpMs, measureMs }) {
  const hermes = await sdk.connect({ metaServers });
  const producer = hermes.producer(topic, { codec: sdk.bytesCodec });
  const consumer = hermes.consumer(topic, group, { codec: sdk.bytesCodec, concurrency: 1000, maxInFlight: 10_000 });
  const [latency, lateness] = [hdr.build({ useWebAssembly: false }), hdr.build({ useWebAssembly: false })];
  const [startedAt, measureFrom] = [now() + 500, now() + 500 + warmUpMs];
  const endAt = measureFrom + measureMs;
  void consumer.run((delivery) => {
    const scheduledAt = Buffer.from(delivery.body).readDoubleLE(0);
    if (scheduledAt >= measureFrom && scheduledAt < endAt) {
      record(latency, now() - scheduledAt);
    }
  });
  await sleep(500);
  let sent = 0;
  let failed = 0;
  const sendDue = () => {
    const until = Math.min(now(), endAt);
    for (let due = startedAt + (sent * 1000) / rate; due <= until; due = startedAt + (sent * 1000) / rate) {
      const body = Buffer.alloc(BODY_BYTES);
      body.writeDoubleLE(due, 0);
      if (due >= measureFrom) {
        record(lateness, now() - due);
      }
      producer.publish(body).catch(() => {
        failed += 1;
      });
      sent += 1;
    }
  };
  const stop = pace({ rate, startAt: startedAt }, sendDue);
  await sleep(endAt - now());
  stop();
  await sleep(1000);
  return { ...percentiles(latency), sendLateP99: percentiles(lateness).p99, sent, seen: latency.totalCount, failed };
}
