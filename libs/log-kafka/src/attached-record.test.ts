import { Message } from '@hermes/contracts';
import type { IHeaders } from 'kafkajs';
import type { RawRecord } from 'kafkajs/src/cluster/index.js';

import { ATTACHED_OVERHEAD_BYTES, fromAttached, toAttached } from './attached-record.js';

const NO_MARKS = { schedule: '', expiresAtMs: 0 };
const BINARY = Buffer.from([0xff, 0x00, 0xfe]);

/** A record as another Kafka client has written it. */
function foreign(record: Partial<RawRecord>): RawRecord {
  return { offset: '7', timestamp: '1000', key: null, value: Buffer.alloc(0), ...record };
}

function read(record: Partial<RawRecord>): Message {
  return Message.decode(fromAttached(foreign(record)).record);
}

const attributesOf = (record: Partial<RawRecord>): Record<string, string> =>
  Object.fromEntries(read(record).attributes);

describe('a message as a record of an attached topic', () => {
  const full = Message.create({
    ...{
      body: Buffer.from('body'),
      key: 'schlüssel',
      refKey: 'ref',
      contentType: 'text/plain',
      idempotencyKey: 'once',
    },
    attributes: new Map([
      ['trace', 'abc'],
      ['__proto__', 'odd'],
      ['empty', ''],
    ]),
    schedule: { $case: 'deliverAt', value: { seconds: 1_764_558_800, nanos: 120_000_000 } },
    ttl: { seconds: 90, nanos: 1 },
  });

  it('has key, body and attributes where other clients look for them', () => {
    const { key, value, headers } = toAttached(Message.encode(full).finish(), { schedule: 'aa/5', expiresAtMs: 1_234 });
    const texts = Object.entries(headers ?? {}).map(([name, bytes]) => [name, String(bytes)]);
    expect([String(key), String(value)]).toEqual(['schlüssel', 'body']);
    expect(texts).toEqual([
      ['trace', 'abc'],
      ['__proto__', 'odd'],
      ['empty', ''],
      ['hermes-ref-key', 'ref'],
      ['hermes-content-type', 'text/plain'],
      ['hermes-deliver-at', '1764558800.12'],
      ['hermes-ttl', '90.000000001'],
      ['hermes-idempotency-key', 'once'],
      ['hermes-expires-at', '1234'],
      ['hermes-schedule', 'aa/5'],
    ]);
  });

  it.each([
    ['with everything', full],
    ['with a delay', Message.create({ schedule: { $case: 'delay', value: { seconds: 0, nanos: 5 } } })],
    ['without anything', Message.create()],
  ])('comes back as it was published: %s', (_, message) => {
    const bytes = Message.encode(message).finish();
    const marks = { schedule: 'aa/5', expiresAtMs: 1_234 };
    const { record, ...found } = fromAttached(foreign(toAttached(bytes, marks) as Partial<RawRecord>));
    expect(Message.decode(record)).toEqual(Message.decode(bytes));
    expect(found).toEqual(marks);
  });

  it('is no tombstone if its body is empty, and has no key if its key is empty', () => {
    const { key, value } = toAttached(Message.encode(Message.create()).finish(), NO_MARKS);
    expect(value).toHaveLength(0);
    expect(key).toBeNull();
  });

  it('costs no more than is said', () => {
    const bytes = Message.encode(full).finish();
    const marks = { schedule: `${'a'.repeat(16)}/${Number.MAX_SAFE_INTEGER}`, expiresAtMs: 999_999_999_999_999 };
    const { key, value, headers } = toAttached(bytes, marks);
    const texts = Object.entries(headers as Record<string, Buffer>);
    const size = texts.reduce((sum, [name, text]) => sum + 4 + Buffer.byteLength(name) + text.length, 0);
    expect(size + (key?.length ?? 0) + (value?.length ?? 0) + 30).toBeLessThan(bytes.length + ATTACHED_OVERHEAD_BYTES);
  });
});

describe('a record of somebody else as a message', () => {
  it.each([
    ['text', Buffer.from('k'), 'k', {}],
    ['not UTF-8', BINARY, '/wD+', { 'hermes-key-encoding': 'base64' }],
    ['empty', Buffer.alloc(0), '', {}],
    ['absent', null, '', {}],
    ['longer than can be published', Buffer.alloc(1_000, 'x'), 'x'.repeat(1_000), {}],
  ])('keeps a key that is %s', (_, key, text, attributes) => {
    expect(read({ key }).key).toBe(text);
    expect(attributesOf({ key })).toEqual(attributes);
  });

  it('tells a tombstone', () => {
    expect(read({ value: null }).body).toHaveLength(0);
    expect(attributesOf({ value: null })).toEqual({ 'hermes-tombstone': 'true' });
    expect(attributesOf({})).toEqual({});
  });

  it.each<[string, IHeaders, Record<string, string>]>([
    ['text', { a: Buffer.from('ä'), b: Buffer.from('') }, { a: 'ä', b: '' }],
    [
      'several of one name',
      { a: ['1', '2', '3'].map((text) => Buffer.from(text)) },
      { 'a#1': '1', 'a#2': '2', a: '3' },
    ],
    ['bytes', { a: BINARY }, { 'hermes-base64-a': '/wD+' }],
    ['bytes among several', { a: [BINARY, Buffer.from('2')] }, { 'hermes-base64-a#1': '/wD+', a: '2' }],
    ['names of objects', { constructor: [Object, Buffer.from('c')] as unknown as Buffer[] }, { constructor: 'c' }],
    ['null', { a: null as unknown as Buffer }, { a: '' }],
    ['more than can be published', numbered(200), texts(200)],
    ['names that are Hermes’ own', { 'hermes-x': Buffer.from('1') }, { 'hermes-x': '1' }],
    ['a ttl in another notation', { 'hermes-ttl': Buffer.from('1h') }, { 'hermes-ttl': '1h' }],
    ['an odd expiry', { 'hermes-expires-at': Buffer.from('soon') }, { 'hermes-expires-at': 'soon' }],
  ])('gives headers as attributes: %s', (_, headers, attributes) => {
    expect(attributesOf({ headers: headers })).toEqual(attributes);
  });

  it('takes fields that somebody else has given in Hermes’ way', () => {
    const message = read({ headers: { 'hermes-content-type': Buffer.from('a/b'), 'hermes-ttl': Buffer.from('1.5') } });
    expect(message).toMatchObject({ contentType: 'a/b', ttl: { seconds: 1, nanos: 500_000_000 } });
    expect(message.attributes.size).toBe(0);
  });

  it('reads the formats before headers', () => {
    const old = foreign({ key: Buffer.from('k'), value: Buffer.from('v') });
    expect(old).not.toHaveProperty('headers');
    expect(Message.decode(fromAttached(old).record)).toMatchObject({ key: 'k', body: Buffer.from('v') });
  });
});

function numbered(count: number): IHeaders {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, Buffer.from('v')]));
}

function texts(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, 'v']));
}
