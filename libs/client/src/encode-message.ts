import { durationFromMs, HermesError, invalidField, LIMITS, Message, timestampFromMs } from '@hermes/contracts';
import { type Codec } from './codec.js';

/** What may be said about a message. */
export interface MessageOptions {
  /** Ordering and partitioning key, at most 255 bytes. */
  readonly key?: string;
  /** Business key, at most 128 bytes. */
  readonly refKey?: string;
  /** At most 64 of together 16 KiB; no name may begin with `hermes-`. */
  readonly attributes?: Readonly<Record<string, string>>;
  readonly priority?: number;
  /** The codec's if unset. */
  readonly contentType?: string;
  /** From now; not together with `deliverAt`. */
  readonly delayMs?: number;
  readonly deliverAt?: Date;
  readonly ttlMs?: number;
  /** Publishes of the same key and content within 10 minutes are stored once; at most 128 bytes. */
  readonly idempotencyKey?: string;
}

const NO_ATTRIBUTES = new Map<string, string>();
/** No topic takes more. A bigger frame would end the stream, and with it what is on its way with others. */
const MESSAGE_BYTES_MAX = LIMITS.bodyBytes.max + LIMITS.messageOverheadBytes;

/** The message as it is stored. MESSAGE_TOO_LARGE, or INVALID_FIELD; servers check the topic's own limits. */
export function encodeMessage<T>(codec: Codec<T>, body: T, options: MessageOptions): Uint8Array {
  const { key, refKey, attributes, priority, contentType, ttlMs } = options;
  const encoded = codec.encode(body);
  checkSize('body', encoded.length, LIMITS.bodyBytes.max);
  const bytes = Message.encode({
    body: Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength),
    key: key ?? '',
    refKey: refKey ?? '',
    attributes: attributes === undefined ? NO_ATTRIBUTES : new Map(Object.entries(attributes)),
    priority: priority ?? 0,
    contentType: contentType ?? codec.contentType,
    schedule: scheduleOf(options),
    ttl: ttlMs === undefined ? undefined : durationFromMs(finite('ttlMs', ttlMs)),
    idempotencyKey: options.idempotencyKey ?? '',
  }).finish();
  checkSize('message', bytes.length, MESSAGE_BYTES_MAX);
  return bytes;
}

function checkSize(name: string, size: number, limit: number): void {
  if (size > limit) {
    throw new HermesError('MESSAGE_TOO_LARGE', `${name}: ${size} bytes, at most ${limit}`, {
      details: { limit: String(limit), size: String(size) },
    });
  }
}

function scheduleOf({ deliverAt, delayMs }: MessageOptions): Message['schedule'] {
  if (deliverAt !== undefined && delayMs !== undefined) {
    throw invalidField('deliverAt', 'either deliverAt or delayMs');
  }
  if (deliverAt !== undefined) {
    return { $case: 'deliverAt', value: timestampFromMs(finite('deliverAt', deliverAt.getTime())) };
  }
  return delayMs === undefined ? undefined : { $case: 'delay', value: durationFromMs(finite('delayMs', delayMs)) };
}

function finite(field: string, ms: number): number {
  if (!Number.isFinite(ms)) {
    throw invalidField(field, 'a finite time');
  }
  return ms;
}
