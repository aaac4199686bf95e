import { LIMITS } from './limits.js';
import { isResourceName } from './names.js';

/** A message that waits for its time. Clients take it as opaque; gateways route by topic and partition. */
export interface ScheduleId {
  readonly topic: string;
  readonly partition: number;
  readonly number: number;
}

/** The separator is in no name, and means nothing in a URL. */
const ID = /^([^~]+)~(0|[1-9]\d{0,3})~([1-9]\d{0,15})$/;

/** `orders~3~17` */
export function formatScheduleId({ topic, partition, number }: ScheduleId): string {
  return `${topic}~${partition}~${number}`;
}

/** The parts of a schedule id, or undefined if `text` is not one in its only form. */
export function parseScheduleId(text: string): ScheduleId | undefined {
  const [, topic = '', partition, number] = ID.exec(text) ?? [];
  const id = { topic, partition: Number(partition), number: Number(number) };
  const valid = isResourceName(topic) && id.partition < LIMITS.partitions.max && Number.isSafeInteger(id.number);
  return valid ? id : undefined;
}
