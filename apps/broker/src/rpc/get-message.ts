import {
  HermesError,
  invalidField,
  Message,
  type MessageId,
  parseMessageId,
  type StoredMessage,
  timestampFromMs,
} from '@hermes/contracts';
import { type MessageLog } from '@hermes/log';
import { endOf } from '../partition/lane.js';
import { type Partition } from '../partition/partition.js';

/** Reads the id of a request. Throws INVALID_FIELD. */
export function readMessageId(field: string, text: string): MessageId {
  const id = parseMessageId(text);
  if (id === undefined) {
    throw invalidField(field, 'topic/partition/lane/offset');
  }
  return id;
}

/** One stored message; MESSAGE_NOT_FOUND if it never was, or is not kept any more. Rejects with StoreError. */
export async function getMessage(partition: Partition, { topic, lane, offset }: MessageId): Promise<StoredMessage> {
  const messageId = `${topic}/${partition.number}/${lane}/${offset}`;
  const where = partition.lanes[lane];
  if (where !== undefined && offset >= where.log.firstOffset && (await isBelowEnd(offset, where.log))) {
    const block = await partition.read(where, offset, { maxRecords: 1, maxBytes: 1 });
    if (block.count > 0 && block.offset(0) === offset) {
      const publishedAt = timestampFromMs(Math.floor(block.appendedAtMs(0)));
      return { messageId, message: Message.decode(block.record(0)), publishedAt };
    }
  }
  throw new HermesError('MESSAGE_NOT_FOUND', `there is no message ${messageId}`);
}

async function isBelowEnd(offset: number, log: MessageLog): Promise<boolean> {
  return offset < log.nextOffset || offset < (await endOf(log));
}
