import fc from 'fast-check';
import {
  type AckEntry,
  type AckResult,
  type Delivery,
  type Duration,
  type Message,
  Outcome,
  type PublishRequest,
  type Status,
  type StoredMessage,
  type Timestamp,
} from '../src/index.js';

/** Any text without lone surrogates, which UTF-8 cannot hold. */
export const text = (maxLength = 20): fc.Arbitrary<string> => fc.string({ unit: 'binary', maxLength });

export const bytes = (maxLength = 40): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

export const int32 = fc.integer();

const duration: fc.Arbitrary<Duration> = fc.record({
  seconds: fc.integer({ min: 0, max: 315_576_000_000 - 1 }),
  nanos: fc.nat(999_999_999),
});

const timestamp: fc.Arbitrary<Timestamp> = fc.record({
  seconds: fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
  nanos: fc.nat(999_999_999),
});

/** Times as servers stamp them: whole milliseconds since 1970. */
const publishedAt: fc.Arbitrary<Timestamp> = fc
  .nat(4_000_000_000_000)
  .map((ms) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 }));

const orUnset = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

export const messages: fc.Arbitrary<Message> = fc.record({
  body: bytes(200),
  key: text(),
  refKey: text(),
  attributes: fc
    .array(fc.tuple(text(), text()), { maxLength: 5 })
    .map((entries) => new Map(entries.filter(([name]) => !name.startsWith('hermes-')))),
  priority: fc.nat(9),
  contentType: text(),
  schedule: orUnset(
    fc.oneof(
      timestamp.map((value) => ({ $case: 'deliverAt' as const, value })),
      duration.map((value) => ({ $case: 'delay' as const, value })),
    ),
  ),
  ttl: orUnset(duration),
  idempotencyKey: text(),
});

export const publishRequests: fc.Arbitrary<PublishRequest> = fc.record({
  topic: text(),
  messages: fc.array(messages, { maxLength: 5 }),
  partition: orUnset(int32),
  producerId: orUnset(fc.maxSafeNat()),
  firstSequence: orUnset(fc.maxSafeNat()),
});

export const deliveries: fc.Arbitrary<Delivery> = fc.record({
  receipt: bytes(),
  message: messages,
  partition: int32,
  lane: int32,
  offset: fc.maxSafeNat(),
  attempt: int32,
  redelivered: fc.boolean(),
  fencingToken: fc.maxSafeNat(),
  publishedAt,
});

export const storedMessages: fc.Arbitrary<StoredMessage> = fc.record({
  messageId: text().filter((id) => id !== ''),
  message: messages,
  publishedAt,
});

export const ackEntries: fc.Arbitrary<AckEntry> = fc.record({
  receipt: bytes(),
  outcome: fc.constantFrom(
    Outcome.UNSPECIFIED,
    Outcome.ACK,
    Outcome.NACK,
    Outcome.RETURN,
    Outcome.DEAD_LETTER,
    Outcome.EXTEND,
  ),
  delay: orUnset(duration),
  reason: text(),
  deadline: orUnset(duration),
});

const statuses: fc.Arbitrary<Status> = fc.record({
  code: int32,
  message: text(),
  details: fc.array(fc.record({ typeUrl: text(), value: bytes() }), { maxLength: 2 }),
});

export const ackResults: fc.Arbitrary<AckResult> = fc.record({ error: orUnset(statuses) });
