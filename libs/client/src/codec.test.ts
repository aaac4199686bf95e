import { Group, GroupMode } from '@hermes/contracts';
import { bytesCodec, type Codec, jsonCodec, protobufCodec, stringCodec } from './codec.js';

describe.each<[string, Codec<unknown>, unknown]>([
  ['jsonCodec', jsonCodec(), { id: 1, tags: ['a', 'ü'], none: null }],
  ['stringCodec', stringCodec, 'grüße 🚀'],
  ['bytesCodec', bytesCodec, Buffer.from([0, 255])],
  [
    'protobufCodec',
    protobufCodec(Group),
    Group.fromPartial({ topic: 'orders', name: 'billing', mode: GroupMode.SHARED }),
  ],
])('%s', (_, codec, body) => {
  it('reads what it has written, also from the middle of a buffer', () => {
    const encoded = codec.encode(body);
    const around = Buffer.concat([Buffer.from('before'), encoded, Buffer.from('after')]);
    expect(codec.decode(around.subarray(6, 6 + encoded.length))).toEqual(body);
    expect(codec.contentType).not.toBe('');
  });
});

test('a body that is no message of the type is refused', () => {
  expect(() => protobufCodec(Group).decode(Buffer.from([0x0a, 9]))).toThrow();
  expect(() => jsonCodec().decode(Buffer.from('{'))).toThrow(SyntaxError);
});
