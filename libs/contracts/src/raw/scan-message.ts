import { durationToMs } from '../duration.js';
import { LIMITS } from '../limits.js';
import { timestampToMs } from '../timestamp.js';
import { type MessageProblem } from './message-problem.js';
import { ScannedMessage } from './scanned-message.js';
import { readSecondsNanos } from './seconds-nanos.js';
import { isUtf8Range } from './utf8.js';
import { WireError } from './wire-error.js';
import { WireReader } from './wire-reader.js';

/** The limits that a topic sets for its messages. */
export interface MessageLimits {
  readonly maxBodyBytes: number;
  readonly priorityLevels: number;
}

/** What a scan says: fields of a good Message, or why it is refused. */
export type ScanResult = ScannedMessage | MessageProblem;

const BODY = 10;
const KEY = 18;
const REF_KEY = 26;
const ATTRIBUTE = 34;
const PRIORITY = 40;
const CONTENT_TYPE = 50;
const DELIVER_AT = 58;
const DELAY = 66;
const TTL = 74;
const IDEMPOTENCY_KEY = 82;

const ENTRY_KEY = 10;
const ENTRY_VALUE = 18;

/** Names that Hermes keeps for itself: `hermes-`. */
const RESERVED_PREFIX = Buffer.from('hermes-');

/** One for all scans: a scan is synchronous and never nested. */
const reader = new WireReader(new Uint8Array(0));

/**
 * Validates an encoded Message in one pass and tells the fields that a broker needs.
 *
 * Checked are the wire format, UTF-8 and every limit of the contract; unknown fields are passed over. Nothing is
 * copied, and fields cost no allocation. As everywhere in protobuf, the last of a repeated single field counts.
 */
export function scanMessage(bytes: Uint8Array, limits: MessageLimits): ScanResult {
  const message = new ScannedMessage(bytes);
  reader.reset(bytes);
  try {
    while (reader.pos < reader.end) {
      const problem = scanField(reader.tag(), message);
      if (problem !== undefined) {
        return problem;
      }
    }
  } catch (error) {
    if (error instanceof WireError) {
      return invalid('', `a well-formed Message (${error.message})`);
    }
    throw error;
  }
  return problemOfWhole(message, limits) ?? message;
}

function scanField(tag: number, message: ScannedMessage): MessageProblem | undefined {
  switch (tag) {
    case BODY: {
      const end = reader.bytesEnd();
      message.bodyBytes = end - reader.pos;
      reader.pos = end;
      return undefined;
    }
    case KEY: {
      const end = reader.bytesEnd();
      message.keyStart = reader.pos;
      message.keyEnd = end;
      return text('key', end, LIMITS.keyBytes);
    }
    case REF_KEY: {
      const end = reader.bytesEnd();
      message.refKeyStart = reader.pos;
      message.refKeyEnd = end;
      return text('ref_key', end, LIMITS.refKeyBytes);
    }
    case ATTRIBUTE:
      return attribute(message);
    case PRIORITY:
      message.priority = reader.int32();
      return undefined;
    case CONTENT_TYPE:
      return text('content_type', reader.bytesEnd(), LIMITS.contentTypeBytes);
    default:
      return scanRareField(tag, message);
  }
}

function scanRareField(tag: number, message: ScannedMessage): MessageProblem | undefined {
  switch (tag) {
    case DELIVER_AT:
      message.delayMs = undefined; // Two members of one oneof: the last counts.
      message.deliverAtMs = timestampToMs(readSecondsNanos(reader));
      return message.deliverAtMs === undefined ? invalid('deliver_at', 'a valid timestamp') : undefined;
    case DELAY:
      message.deliverAtMs = undefined;
      message.delayMs = durationToMs(readSecondsNanos(reader));
      return message.delayMs === undefined ? invalid('delay', 'a valid duration') : undefined;
    case TTL:
      message.ttlMs = durationToMs(readSecondsNanos(reader));
      return message.ttlMs === undefined ? invalid('ttl', 'a valid duration') : undefined;
    case IDEMPOTENCY_KEY: {
      const end = reader.bytesEnd();
      message.idempotencyKeyStart = reader.pos;
      message.idempotencyKeyEnd = end;
      return text('idempotency_key', end, LIMITS.idempotencyKeyBytes);
    }
    default:
      reader.skip(tag);
      return undefined;
  }
}

/** Checks and passes over a text that ends at `end`. */
function text(field: string, end: number, maxBytes: number): MessageProblem | undefined {
  const start = reader.pos;
  reader.pos = end;
  if (end - start > maxBytes) {
    return invalid(field, `at most ${maxBytes} bytes`);
  }
  return isUtf8Range(reader.bytes, start, end) ? undefined : invalid(field, 'UTF-8');
}

/** One entry of the map: a message of its own, in which the last key and the last value count. */
function attribute(message: ScannedMessage): MessageProblem | undefined {
  const outerEnd = reader.end;
  reader.end = reader.bytesEnd();
  let bytes = 0;
  let reserved = false;
  while (reader.pos < reader.end) {
    const tag = reader.tag();
    if (tag === ENTRY_KEY || tag === ENTRY_VALUE) {
      const end = reader.bytesEnd();
      reserved = tag === ENTRY_KEY ? isReserved(reader.bytes, reader.pos, end) : reserved;
      bytes += end - reader.pos;
      const problem = text('attributes', end, LIMITS.attributeBytes);
      if (problem !== undefined) {
        return problem;
      }
    } else {
      reader.skip(tag);
    }
  }
  reader.end = outerEnd;
  message.attributes++;
  message.attributeBytes += bytes;
  return reserved ? invalid('attributes', "no name that begins with 'hermes-'") : undefined;
}

function isReserved(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < RESERVED_PREFIX.length) {
    return false;
  }
  for (let i = 0; i < RESERVED_PREFIX.length; i++) {
    if (bytes[start + i] !== RESERVED_PREFIX[i]) {
      return false;
    }
  }
  return true;
}

/** The limits that hold for the message as a whole, once all fields are known. */
function problemOfWhole(message: ScannedMessage, limits: MessageLimits): MessageProblem | undefined {
  if (message.bodyBytes > limits.maxBodyBytes) {
    return { kind: 'tooLarge', field: 'body', limit: limits.maxBodyBytes, size: message.bodyBytes };
  }
  const messageBytesMax = limits.maxBodyBytes + LIMITS.messageOverheadBytes;
  if (message.bytes.length > messageBytesMax) {
    return { kind: 'tooLarge', field: '', limit: messageBytesMax, size: message.bytes.length };
  }
  if (message.attributes > LIMITS.attributes) {
    return invalid('attributes', `at most ${LIMITS.attributes}`);
  }
  if (message.attributeBytes > LIMITS.attributeBytes) {
    return invalid('attributes', `names and values of at most ${LIMITS.attributeBytes} bytes together`);
  }
  if (message.priority < 0 || message.priority >= limits.priorityLevels) {
    return invalid('priority', `0 to ${limits.priorityLevels - 1}`);
  }
  return problemOfTimes(message);
}

function problemOfTimes({ delayMs, ttlMs }: ScannedMessage): MessageProblem | undefined {
  if (delayMs !== undefined && delayMs < 0) {
    return invalid('delay', 'not negative');
  }
  if (ttlMs !== undefined && ttlMs <= (delayMs ?? 0)) {
    return invalid('ttl', 'above 0 and above the delay');
  }
  return undefined;
}

function invalid(field: string, description: string): MessageProblem {
  return { kind: 'invalid', field, description };
}
