import fc from 'fast-check';
import { messages } from '../../test/arbitraries.js';
import { durationToMs } from '../duration.js';
import { LIMITS } from '../limits.js';
import { Message } from '../messaging.js';
import { partitionForKey } from '../murmur2.js';
import { timestampToMs } from '../timestamp.js';
import { messageError, type MessageProblem } from './message-problem.js';
import { type MessageLimits, scanMessage } from './scan-message.js';
import { type ScannedMessage } from './scanned-message.js';

const limits: MessageLimits = { maxBodyBytes: 1_000, priorityLevels: 10 };
const empty = Message.decode(new Uint8Array(0));

const encode = (message: Partial<Message>): Uint8Array => Message.encode({ ...empty, ...message }).finish();

function ok(bytes: Uint8Array, topic = limits): ScannedMessage {
  const result = scanMessage(bytes, topic);
  if (result.kind !== 'ok') {
    throw new Error(messageError(result, 0).message);
  }
  return result;
}

function problem(bytes: Uint8Array, topic = limits): MessageProblem {
  const result = scanMessage(bytes, topic);
  if (result.kind === 'ok') {
    throw new Error('no problem');
  }
  return result;
}

const asText = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();

function agrees(found: ScannedMessage, message: Message): void {
  const { schedule } = message;
  expect(found.bodyBytes).toBe(message.body.length);
  expect(asText(found.key)).toBe(message.key);
  expect(asText(found.refKey)).toBe(message.refKey);
  expect(asText(found.idempotencyKey)).toBe(message.idempotencyKey);
  expect(found.priority).toBe(message.priority);
  expect(found.attributes).toBe(message.attributes.size);
  expect(found.deliverAtMs).toBe(schedule?.$case === 'deliverAt' ? timestampToMs(schedule.value) : undefined);
  expect(found.delayMs).toBe(schedule?.$case === 'delay' ? durationToMs(schedule.value) : undefined);
  expect(found.ttlMs).toBe(message.ttl === undefined ? undefined : durationToMs(message.ttl));
}

describe('scanMessage', () => {
  it('finds what the generated code decodes', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const result = scanMessage(encode(message), limits);
        if (result.kind === 'ok') {
          agrees(result, message);
        } else {
          expect(result).toMatchObject({ kind: 'invalid', field: 'ttl' }); // not above the delay
        }
      }),
      { numRuns: 500 },
    );
  });

  it('accepts of arbitrary bytes only what the generated code decodes, and to the same fields', () => {
    // Bytes that look like a Message: pieces of good ones, cut and changed.
    const mutations = fc.tuple(messages, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 }), fc.nat(400));
    const roomy = { maxBodyBytes: 10_000, priorityLevels: 2 ** 31 };
    fc.assert(
      fc.property(mutations, ([message, changes, length]) => {
        const bytes = Buffer.from(encode(message)).subarray(0, Math.max(1, length));
        for (const [at, value] of changes) {
          bytes[at % bytes.length] = value;
        }
        const result = scanMessage(bytes, roomy);
        if (result.kind === 'ok') {
          agrees(Object.assign(result, { attributes: Message.decode(bytes).attributes.size }), Message.decode(bytes));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('reads nothing outside its bytes', () => {
    const bytes = Buffer.concat([Buffer.from([0xff, 0x0a]), encode({ key: 'k' }), Buffer.from([0xff])]);
    expect(asText(ok(bytes.subarray(2, -1)).key)).toBe('k');
    expect(problem(bytes.subarray(2, -2)).kind).toBe('invalid');
  });

  it('gives keys the partitions of Kafka, and idempotency keys where there is none', () => {
    expect(ok(encode({ key: 'orders-1', idempotencyKey: 'i' })).partition(12)).toBe(partitionForKey('orders-1', 12));
    expect(ok(encode({ idempotencyKey: 'i' })).partition(12)).toBe(partitionForKey('i', 12));
    expect(ok(encode({})).partition(12)).toBeUndefined();
    expect(ok(encode({})).hasKey).toBe(false);
  });

  it.each([
    ['key', { key: 'x'.repeat(LIMITS.keyBytes) }, { key: 'x'.repeat(LIMITS.keyBytes + 1) }],
    ['key', { key: 'ä'.repeat(127) }, { key: 'ä'.repeat(128) }],
    ['ref_key', { refKey: 'x'.repeat(128) }, { refKey: 'x'.repeat(129) }],
    ['content_type', { contentType: 'x'.repeat(128) }, { contentType: 'x'.repeat(129) }],
    ['idempotency_key', { idempotencyKey: 'x'.repeat(128) }, { idempotencyKey: 'x'.repeat(129) }],
    ['priority', { priority: 9 }, { priority: 10 }],
    ['priority', { priority: 0 }, { priority: -1 }],
    ['attributes', { attributes: numbered(64) }, { attributes: numbered(65) }],
    [
      'attributes',
      { attributes: new Map([['a', 'x'.repeat(LIMITS.attributeBytes - 1)]]) },
      { attributes: new Map([['a', 'x'.repeat(LIMITS.attributeBytes)]]) },
    ],
    ['attributes', { attributes: new Map([['__proto__', 'hermes-']]) }, { attributes: new Map([['hermes-x', '1']]) }],
    ['ttl', { ttl: { seconds: 1, nanos: 0 } }, { ttl: { seconds: 0, nanos: 0 } }],
    [
      'ttl',
      { ttl: { seconds: 2, nanos: 1 }, schedule: { $case: 'delay', value: { seconds: 2, nanos: 0 } } },
      { ttl: { seconds: 2, nanos: 0 }, schedule: { $case: 'delay', value: { seconds: 2, nanos: 0 } } },
    ],
    [
      'delay',
      { schedule: { $case: 'delay', value: { seconds: 0, nanos: 0 } } },
      { schedule: { $case: 'delay', value: { seconds: -1, nanos: 0 } } },
    ],
    [
      'deliver_at',
      { schedule: { $case: 'deliverAt', value: { seconds: -1, nanos: 0 } } },
      { schedule: { $case: 'deliverAt', value: { seconds: 0, nanos: -1 } } },
    ],
  ] satisfies [string, Partial<Message>, Partial<Message>][])('keeps the limit of %s', (field, within, beyond) => {
    ok(encode(within));
    expect(problem(encode(beyond))).toMatchObject({ kind: 'invalid', field });
  });

  it('tells a body that is too large by limit and size', () => {
    ok(encode({ body: Buffer.alloc(1_000) }));
    const found = problem(encode({ body: Buffer.alloc(1_001) }));
    expect(found).toEqual({ kind: 'tooLarge', field: 'body', limit: 1_000, size: 1_001 });
    expect(messageError(found, 3)).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      details: { limit: '1000', size: '1001' },
      violations: [{ field: 'messages[3].body' }],
    });
  });

  it('counts unknown and repeated fields, so that nothing passes the limit in them', () => {
    const padding = Buffer.alloc(LIMITS.messageOverheadBytes);
    const unknown = Buffer.concat([Buffer.from([0x7a, 0x80, 0x80, 0x02]), padding]);
    ok(unknown);
    const bodies = Buffer.concat([
      Buffer.from([0x0a, 0x80, 0x80, 0x02]),
      padding,
      encode({ body: Buffer.alloc(1_000) }),
    ]);
    const found = problem(bodies);
    expect(found).toMatchObject({ kind: 'tooLarge', field: '', size: bodies.length });
    expect(messageError(found, 0).violations[0]?.field).toBe('messages[0]');
  });

  it.each([
    ['key', [0x12, 2, 0xc3, 0x28]],
    ['ref_key', [0x1a, 1, 0xff]],
    ['content_type', [0x32, 3, 0xed, 0xa0, 0x80]],
    ['idempotency_key', [0x52, 2, 0xc0, 0x80]],
    ['attributes', [0x22, 4, 0x0a, 2, 0xc3, 0x28]],
    ['attributes', [0x22, 4, 0x12, 2, 0xc3, 0x28]],
  ])('refuses a %s that is not UTF-8', (field, bytes) => {
    expect(problem(Uint8Array.from(bytes))).toMatchObject({ kind: 'invalid', field });
  });

  it.each([
    ['a truncated body', [0x0a, 5, 1]],
    ['an attribute that passes its end', [0x22, 2, 0x0a, 5, 1, 1, 1, 1, 1]],
    ['a ttl that passes its end', [0x4a, 1, 0x08, 0x80, 0x01]],
    ['field number 0', [0x00, 1]],
    ['wire type 7', [0x0f]],
    ['a stray end of a group', [0x0c]],
  ])('refuses %s as a whole', (_, bytes) => {
    const found = problem(Uint8Array.from(bytes));
    expect(found).toMatchObject({ kind: 'invalid', field: '' });
    expect(messageError(found, 2).violations[0]?.field).toBe('messages[2]');
    // And the next scan starts afresh.
    expect(asText(ok(encode({ key: 'k' })).key)).toBe('k');
  });

  it('lets the last of a repeated field count, and passes over what it does not know', () => {
    const bytes = Buffer.concat([
      encode({ key: 'first' }),
      Buffer.from([0x7a, 1, 1, 0x2d, 1, 1, 1, 1]),
      encode({ key: 'k' }),
    ]);
    expect(asText(ok(bytes).key)).toBe('k');
    expect(Message.decode(bytes).key).toBe('k');
  });
});

function numbered(count: number): Map<string, string> {
  return new Map(Array.from({ length: count }, (_, i) => [`a${i}`, 'v']));
}
