import { fieldBytes, WireWriter } from './wire-writer.js';

const IDEMPOTENCY_KEY = 82;

/** The encoded Message with this idempotency key behind its fields: of a field given twice the last counts. */
export function withIdempotencyKeyField(message: Uint8Array, key: Uint8Array): Buffer {
  const field = new WireWriter(fieldBytes(key.length)).field(IDEMPOTENCY_KEY, key).finish();
  return Buffer.concat([message, field]);
}
