// Streams publish frames to one broker, always with the same number unanswered; counts stored messages.
import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { FRAME_MESSAGES, FRAMES_IN_FLIGHT, keyedFrame, publishFrame } from '../shapes.mjs';
import { countPerSecond } from '../parts/rate.mjs';

function stream({ endpoint, topics, partitions, keys, limit = Number.POSITIVE_INFINITY }, count, done) {
  const client = new contracts.RawMessagingClient(endpoint, grpc.credentials.createInsecure());
  const call = client.publishStream(new grpc.Metadata(), {});
  const frames = Array.from({ length: partitions }, (_, partition) => partition).flatMap((partition) =>
    topics.map((topic) => publishFrame(topic, partition)),
  );
  let [sent, answered] = [0, 0];
  const send = () => {
    if (sent < limit) {
      const frame = frames[(sent / FRAME_MESSAGES) % frames.length];
      call.write(keys === undefined ? frame : keyedFrame(frame.topic, frame.partition, keys));
      sent += FRAME_MESSAGES;
    }
  };
  call.on('data', ({ results }) => {
    const refused = results.find((result) => result.outcome?.$case !== 'messageId');
    if (refused !== undefined) {
      throw new Error(`a publish was refused: ${JSON.stringify(refused)}`);
    }
    answered += results.length;
    count(results.length);
    send();
    if (answered >= limit) {
      call.end();
      done?.();
    }
  });
  call.on('error', (error) => {
    throw error;
  });
  for (let i = 0; i < FRAMES_IN_FLIGHT; i += 1) {
    send();
  }
  return client;
}

/** `limit` given: publishes so many and ends. Otherwise gives stored messages per second and their spread. */
export async function run({ warmUpMs, measureMs, ...args }) {
  if (args.limit !== undefined) {
    await new Promise((resolve) => stream(args, () => undefined, resolve));
    return args.limit;
  }
  return countPerSecond((count) => stream(args, count), { warmUpMs, measureMs });
}
