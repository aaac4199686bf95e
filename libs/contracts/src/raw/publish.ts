import { WireReader } from './wire-reader.js';
import { fieldBytes, int32Bytes, varintBytes, WireWriter } from './wire-writer.js';

/**
 * PublishRequest and PublishStreamRequest (one wire form) with each Message as the bytes that its publisher wrote.
 * Decoded messages are views of the request's bytes and are not looked into: see `scanMessage`.
 */
export interface RawPublishRequest {
  topic: string;
  messages: Uint8Array[];
  partition?: number;
  producerId?: number;
  firstSequence?: number;
}

/** The number that a producer gave a message: by it a repeat is known. */
export interface PublishIdentity {
  readonly producerId: number;
  readonly sequence: number;
}

/** The number of a message of a request; undefined if its producer numbers none. */
export function identityOf(
  { producerId, firstSequence }: Pick<RawPublishRequest, 'producerId' | 'firstSequence'>,
  index: number,
): PublishIdentity | undefined {
  return producerId === undefined || firstSequence === undefined
    ? undefined
    : { producerId, sequence: firstSequence + index };
}

const TOPIC = 10;
const MESSAGE = 18;
const PARTITION = 24;
const PRODUCER_ID = 32;
const FIRST_SEQUENCE = 40;

/**
 * Throws WireError if the request itself is damaged, INVALID_FIELD for a number beyond 2^53; a damaged message is left
 * to the scanner.
 */
export function decodePublishRequest(bytes: Uint8Array): RawPublishRequest {
  const reader = new WireReader(bytes);
  const request: RawPublishRequest = { topic: '', messages: [] };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case TOPIC:
        request.topic = reader.string();
        break;
      case MESSAGE:
        request.messages.push(reader.view());
        break;
      case PARTITION:
        request.partition = reader.int32();
        break;
      case PRODUCER_ID:
        request.producerId = reader.uint64('producer_id');
        break;
      case FIRST_SEQUENCE:
        request.firstSequence = reader.uint64('first_sequence');
        break;
      default:
        reader.skip(tag);
    }
  }
  return request;
}

/** The bytes of a request. */
export function encodePublishRequest(request: RawPublishRequest): Buffer {
  const { topic, messages, partition, producerId, firstSequence } = request;
  const topicBytes = Buffer.byteLength(topic);
  const writer = new WireWriter(requestBytes(request, topicBytes));
  if (topicBytes > 0) {
    writer.text(TOPIC, topic, topicBytes);
  }
  for (const message of messages) {
    writer.field(MESSAGE, message);
  }
  if (partition !== undefined) {
    writer.tag(PARTITION).int32(partition);
  }
  if (producerId !== undefined) {
    writer.tag(PRODUCER_ID).varint(producerId);
  }
  if (firstSequence !== undefined) {
    writer.tag(FIRST_SEQUENCE).varint(firstSequence);
  }
  return writer.finish();
}

function requestBytes(request: RawPublishRequest, topicBytes: number): number {
  let size = topicBytes > 0 ? fieldBytes(topicBytes) : 0;
  for (const message of request.messages) {
    size += fieldBytes(message.length);
  }
  size += request.partition === undefined ? 0 : 1 + int32Bytes(request.partition);
  size += request.producerId === undefined ? 0 : 1 + varintBytes(request.producerId);
  size += request.firstSequence === undefined ? 0 : 1 + varintBytes(request.firstSequence);
  return size;
}
