// What every row and every part has in common, so that their figures can be compared.
import contracts from '@hermes/contracts';

export const BODY_BYTES = 1024;
/** Messages per frame of streamed load. */
export const FRAME_MESSAGES = 100;
export const PARTITIONS = 4;
/** Frames that a publisher keeps unanswered. */
export const FRAMES_IN_FLIGHT = 32;
/** Unary calls, or single publishes, in flight. */
export const CALLS_IN_FLIGHT = 100;

const body = Buffer.alloc(BODY_BYTES, 'x');

/** One encoded message of 1 KiB without a key. */
export const encodedMessage = contracts.Message.encode(contracts.Message.fromPartial({ body })).finish();

/** The same with a key: protobuf fields may stand one after the other. */
const keyed = (key) =>
  Buffer.concat([contracts.Message.encode(contracts.Message.fromPartial({ key })).finish(), encodedMessage]);

/** A publish frame of 100 messages whose keys are drawn from so many. */
export function keyedFrame(topic, partition, keys) {
  const messages = Array.from({ length: FRAME_MESSAGES }, () => keyed(`key-${Math.floor(Math.random() * keys)}`));
  return { topic, messages, partition };
}

/** A publish frame of 100 messages. */
export function publishFrame(topic, partition) {
  const messages = Array.from({ length: FRAME_MESSAGES }, () => encodedMessage);
  return { topic, messages, ...(partition === undefined ? {} : { partition }) };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
