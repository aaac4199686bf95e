import { LIMITS } from './limits.js';
import { isResourceName } from './names.js';

/** Where a message stands; written `topic/partition/lane/offset`. */
export interface MessageId {
  readonly topic: string;
  readonly partition: number;
  readonly lane: number;
  readonly offset: number;
}

const ID = /^([^/]+)\/(0|[1-9]\d{0,3})\/([0-9])\/(0|[1-9]\d{0,15})$/;

/** `orders/3/0/1042`. */
export function formatMessageId(topic: string, partition: number, lane: number, offset: number): string {
  return `${topic}/${partition}/${lane}/${offset}`;
}

/** The parts of a message id, or undefined if `text` is not one in its only form (no signs, no leading zeros). */
export function parseMessageId(text: string): MessageId | undefined {
  const match = ID.exec(text);
  if (match === null) {
    return undefined;
  }
  const [, topic = '', partition, lane, offset] = match;
  const id = { topic, partition: Number(partition), lane: Number(lane), offset: Number(offset) };
  const valid = isResourceName(topic) && id.partition < LIMITS.partitions.max && Number.isSafeInteger(id.offset);
  return valid ? id : undefined;
}
