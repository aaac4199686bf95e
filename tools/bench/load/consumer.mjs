// One subscription at one broker that acknowledges in batches of 1,000, one call in flight; counts acknowledged messages.
import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { countPerSecond } from '../parts/rate.mjs';

const ACK_BATCH = 1000;
const CREDIT_MESSAGES = 10_000;
const CREDIT_BYTES = 64 << 20;

/** Gives what ends it. */
function consume({ endpoint, topic, group }, count, accepted = () => undefined) {
  const client = new contracts.RawMessagingClient(endpoint, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': 10 << 20,
  });
  const [consumer, waiting] = ['bench', []];
  let acknowledging = false;
  let ended = false;
  const acknowledge = () => {
    if (acknowledging || waiting.length === 0) {
      return;
    }
    acknowledging = true;
    const entries = waiting.splice(0, ACK_BATCH);
    client.acknowledge({ topic, group, consumer, entries }, new grpc.Metadata(), {}, (error, { results } = {}) => {
      if (error || results.some((result) => result.error !== undefined)) {
        throw error ?? new Error(`an ack was refused: ${JSON.stringify(results.find((result) => result.error))}`);
      }
      count(entries.length);
      acknowledging = false;
      acknowledge();
    });
  };
  const request = contracts.SubscribeRequest.fromPartial({
    topic,
    group,
    consumer,
    maxInFlightMessages: CREDIT_MESSAGES,
    maxInFlightBytes: CREDIT_BYTES,
  });
  const call = client.subscribe(request, new grpc.Metadata(), {});
  call.on('data', ({ frame }) => {
    if (frame?.$case === 'accepted') {
      accepted();
    } else if (frame?.$case === 'batch') {
      for (const { receipt } of frame.value.deliveries) {
        waiting.push({ receipt, outcome: contracts.Outcome.ACK, reason: '' });
      }
      acknowledge();
    }
  });
  call.on('error', (error) => {
    if (!ended) {
      throw error;
    }
  });
  return () => {
    ended = true;
    call.cancel();
    client.close();
  };
}

/** Messages per second from the subscription's acceptance until so many are acknowledged. */
async function consumeAll(args, limit) {
  let startedAt;
  let stop;
  await new Promise((resolve) => {
    let total = 0;
    const count = (n) => {
      total += n;
      if (total >= limit) {
        resolve();
      }
    };
    stop = consume(args, count, () => {
      startedAt = performance.now();
    });
  });
  const rate = (limit / (performance.now() - startedAt)) * 1000;
  stop();
  return rate;
}

/**
 * `limit` given: the rate at which so many are consumed, after `warmUpGroup`, if given, has consumed the same. Otherwise a steady
 * rate after the warm-up.
 */
export async function run({ warmUpMs, measureMs, limit, warmUpGroup, ...args }) {
  if (limit === undefined) {
    return countPerSecond((count) => consume(args, count), { warmUpMs, measureMs });
  }
  if (warmUpGroup !== undefined) {
    await consumeAll({ ...args, group: warmUpGroup }, limit);
  }
  return { rate: await consumeAll(args, limit), spread: null };
}
