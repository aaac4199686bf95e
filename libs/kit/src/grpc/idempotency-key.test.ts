import { Metadata } from '@grpc/grpc-js';
import { Message } from '@hermes/contracts';
import { refuseIdempotencyKey, withIdempotencyKey } from './idempotency-key.js';

const encoded = (fields: Partial<Message>) => Message.encode(Message.fromPartial(fields)).finish();

function metadataOf(...keys: readonly string[]): Metadata {
  const metadata = new Metadata();
  keys.forEach((key) => {
    metadata.add('idempotency-key', key);
  });
  return metadata;
}

describe('an idempotency key in metadata', () => {
  const one = { topic: 't', messages: [encoded({ key: 'k', idempotencyKey: 'own' })], partition: 1 };

  it('is the key of the one message, whatever that had; without one nothing changes', () => {
    const { messages, ...rest } = withIdempotencyKey(one, { metadata: metadataOf('theirs') });
    expect(rest).toEqual({ topic: 't', partition: 1 });
    expect(messages.map((bytes) => Message.decode(bytes))).toMatchObject([{ key: 'k', idempotencyKey: 'theirs' }]);
    expect(withIdempotencyKey(one, { metadata: metadataOf() })).toBe(one);
  });

  it.each<[string, number, readonly string[]]>([
    ['two messages', 2, ['k']],
    ['no message', 0, ['k']],
    ['two keys', 1, ['k', 'l']],
    ['an empty key', 1, ['']],
    ['a key of 129 bytes', 1, ['k'.repeat(129)]],
  ])('is refused for %s', (_, count, keys) => {
    const request = { topic: 't', messages: new Array<Uint8Array>(count).fill(encoded({})) };
    expect(() => withIdempotencyKey(request, { metadata: metadataOf(...keys) })).toThrow('metadata idempotency-key');
  });

  it('is refused for a stream', () => {
    expect(() => {
      refuseIdempotencyKey({ metadata: metadataOf('k') });
    }).toThrow('unary');
    refuseIdempotencyKey({ metadata: metadataOf() });
  });
});
