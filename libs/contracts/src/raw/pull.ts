import { decodeDelivery, deliveryBytes, deliveryFieldBytes, type RawDelivery, writeDelivery } from './delivery.js';
import { WireReader } from './wire-reader.js';
import { WireWriter } from './wire-writer.js';

/** PullResponse of deliveries whose messages are bytes. */
export interface RawPullResponse {
  deliveries: RawDelivery[];
}

const DELIVERIES = 10;

/** The bytes of a response. */
export function encodePullResponse({ deliveries }: RawPullResponse): Buffer {
  const writer = new WireWriter(deliveries.reduce((size, delivery) => size + deliveryFieldBytes(delivery), 0));
  for (const delivery of deliveries) {
    writer.tag(DELIVERIES).varint(deliveryBytes(delivery));
    writeDelivery(writer, delivery);
  }
  return writer.finish();
}

/** Reads a response; receipts and messages are views of `bytes`. Throws WireError if it is damaged. */
export function decodePullResponse(bytes: Uint8Array): RawPullResponse {
  const reader = new WireReader(bytes);
  const deliveries: RawDelivery[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === DELIVERIES) {
      deliveries.push(reader.message(decodeDelivery));
    } else {
      reader.skip(tag);
    }
  }
  return { deliveries };
}
