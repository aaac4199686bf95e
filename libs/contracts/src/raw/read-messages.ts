import { publishedAtBytes, readPublishedAt, writePublishedAt } from './published-at.js';
import { WireReader } from './wire-reader.js';
import { fieldBytes, WireWriter } from './wire-writer.js';

/** A StoredMessage whose message is bytes, as published. */
export interface RawStoredMessage {
  messageId: string;
  message: Uint8Array;
  /** Whole milliseconds since 1970, on the store's clock. */
  publishedAtMs: number;
}

/** ReadMessagesResponse of such messages. */
export interface RawReadMessagesResponse {
  messages: RawStoredMessage[];
}

const MESSAGES = 10;

const MESSAGE_ID = 10;
const MESSAGE = 18;
const PUBLISHED_AT = 26;

/** Bytes that a stored message adds to a response: for cutting responses at the frame limit. */
export function storedMessageFieldBytes(stored: RawStoredMessage): number {
  return fieldBytes(storedBytes(stored));
}

/** The bytes of a response. */
export function encodeReadMessagesResponse({ messages }: RawReadMessagesResponse): Buffer {
  let size = 0;
  for (const stored of messages) {
    size += storedMessageFieldBytes(stored);
  }
  const writer = new WireWriter(size);
  for (const stored of messages) {
    writer.tag(MESSAGES).varint(storedBytes(stored));
    writer.text(MESSAGE_ID, stored.messageId, Buffer.byteLength(stored.messageId));
    writer.field(MESSAGE, stored.message);
    writePublishedAt(writer, PUBLISHED_AT, stored.publishedAtMs);
  }
  return writer.finish();
}

/** Reads a response; messages are views of `bytes`. Throws WireError if it is damaged. */
export function decodeReadMessagesResponse(bytes: Uint8Array): RawReadMessagesResponse {
  const reader = new WireReader(bytes);
  const messages: RawStoredMessage[] = [];
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === MESSAGES) {
      messages.push(decodeStored(reader.view()));
    } else {
      reader.skip(tag);
    }
  }
  return { messages };
}

function storedBytes(stored: RawStoredMessage): number {
  const idBytes = fieldBytes(Buffer.byteLength(stored.messageId));
  return idBytes + fieldBytes(stored.message.length) + publishedAtBytes(stored.publishedAtMs);
}

function decodeStored(bytes: Uint8Array): RawStoredMessage {
  const reader = new WireReader(bytes);
  const stored: RawStoredMessage = { messageId: '', message: new Uint8Array(0), publishedAtMs: 0 };
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case MESSAGE_ID:
        stored.messageId = reader.string();
        break;
      case MESSAGE:
        stored.message = reader.view();
        break;
      case PUBLISHED_AT:
        stored.publishedAtMs = readPublishedAt(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  return stored;
}
