import { Draining, Heartbeat, SubscribeAccepted } from '../messaging.js';
import { batchBytes, decodeBatch, type RawDeliveryBatch, writeBatch } from './delivery.js';
import { WireReader } from './wire-reader.js';
import { fieldBytes, WireWriter } from './wire-writer.js';

/** One frame of a subscription; as the generated one, but for the messages, which are bytes. */
export type RawSubscribeFrame =
  | { $case: 'accepted'; value: SubscribeAccepted }
  | { $case: 'batch'; value: RawDeliveryBatch }
  | { $case: 'heartbeat'; value: Heartbeat }
  | { $case: 'draining'; value: Draining };

/** SubscribeResponse with raw deliveries; `frame` is unset if a later version sent something unknown. */
export interface RawSubscribeResponse {
  frame?: RawSubscribeFrame | undefined;
}

const ACCEPTED = 10;
const BATCH = 18;
const HEARTBEAT = 26;
const DRAINING = 34;

/** The bytes of a frame; batches are written in one pass into one Buffer. */
export function encodeSubscribeResponse({ frame }: RawSubscribeResponse): Buffer {
  switch (frame?.$case) {
    case undefined:
      return Buffer.alloc(0);
    case 'batch':
      return encodeBatchFrame(frame.value);
    case 'accepted':
      return wrap(ACCEPTED, SubscribeAccepted.encode(frame.value).finish());
    case 'heartbeat':
      return wrap(HEARTBEAT, Heartbeat.encode(frame.value).finish());
    case 'draining':
      return wrap(DRAINING, Draining.encode(frame.value).finish());
  }
}

/** Reads a frame; receipts and messages are views of `bytes`. Throws WireError if it is damaged. */
export function decodeSubscribeResponse(bytes: Uint8Array): RawSubscribeResponse {
  const reader = new WireReader(bytes);
  const response: RawSubscribeResponse = {};
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case ACCEPTED:
        response.frame = { $case: 'accepted', value: SubscribeAccepted.decode(reader.view()) };
        break;
      case BATCH:
        response.frame = { $case: 'batch', value: decodeBatch(reader.view()) };
        break;
      case HEARTBEAT:
        response.frame = { $case: 'heartbeat', value: Heartbeat.decode(reader.view()) };
        break;
      case DRAINING:
        response.frame = { $case: 'draining', value: Draining.decode(reader.view()) };
        break;
      default:
        reader.skip(tag);
    }
  }
  return response;
}

function encodeBatchFrame(batch: RawDeliveryBatch): Buffer {
  const size = batchBytes(batch);
  const writer = new WireWriter(fieldBytes(size));
  writer.tag(BATCH).varint(size);
  writeBatch(writer, batch);
  return writer.finish();
}

function wrap(tag: number, content: Uint8Array): Buffer {
  return new WireWriter(fieldBytes(content.length)).field(tag, content).finish();
}
