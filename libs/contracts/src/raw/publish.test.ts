import fc from 'fast-check';
import { publishRequests } from '../../test/arbitraries.js';
import { Message, PublishRequest } from '../messaging.js';
import { decodePublishRequest, encodePublishRequest, type RawPublishRequest } from './publish.js';
import { WireError } from './wire-error.js';

/** The raw form of a generated request. */
function raw({ messages, ...rest }: PublishRequest): RawPublishRequest {
  return { ...rest, messages: messages.map((message) => Message.encode(message).finish()) } as RawPublishRequest;
}

describe('raw PublishRequest', () => {
  it('is written as the generated code writes it', () => {
    fc.assert(
      fc.property(publishRequests, (request) => {
        const bytes = encodePublishRequest(raw(request));
        expect(bytes.equals(PublishRequest.encode(request).finish())).toBe(true);
      }),
    );
  });

  it('is read as the generated code wrote it, its messages untouched', () => {
    fc.assert(
      fc.property(publishRequests, (request) => {
        const read = decodePublishRequest(PublishRequest.encode(request).finish());
        expect(encodePublishRequest(read).equals(encodePublishRequest(raw(request)))).toBe(true);
        expect(read.messages.map((message) => Message.decode(message))).toEqual(request.messages);
      }),
    );
  });

  it('passes over unknown fields of every wire type', () => {
    const unknown = [
      0x78,
      0xff,
      0x01,
      0x79,
      ...Array<number>(8).fill(1),
      0x7a,
      2,
      9,
      9,
      0x7d,
      1,
      1,
      1,
      1,
      0x7b,
      0x08,
      1,
      0x7c,
    ];
    const bytes = Buffer.concat([Buffer.from(unknown), encodePublishRequest({ topic: 't', messages: [] })]);
    expect(decodePublishRequest(bytes)).toEqual({ topic: 't', messages: [] });
  });

  it('leaves a damaged message to the scanner', () => {
    const damaged = Uint8Array.from([0x0a, 0xff]);
    const read = decodePublishRequest(encodePublishRequest({ topic: 't', messages: [damaged] }));
    expect(read.messages).toEqual([damaged]);
  });

  it.each([
    ['a truncated message', [0x12, 5, 1]],
    ['a truncated varint', [0x18, 0x80]],
    ['a varint of eleven bytes', [0x20, ...Array<number>(10).fill(0x80), 1]],
    ['field number 0', [0x00]],
    ['wire type 6', [0x0e, 0]],
    ['wire type 7', [0x0f, 0]],
    ['a stray end of a group', [0x7c]],
    ['an unfinished group', [0x7b, 0x08, 1]],
    ['the end of another group', [0x7b, 0x74]],
    ['101 nested groups', [...Array<number>(101).fill(0x7b), ...Array<number>(101).fill(0x7c)]],
    ['a topic that is not UTF-8', [0x0a, 2, 0xc3, 0x28]],
    ['a length beyond 32 bits', [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodePublishRequest(Uint8Array.from(bytes))).toThrow(WireError);
  });

  it('refuses a number beyond 2^53 by the name of its field', () => {
    const bytes = [0x20, ...Array<number>(9).fill(0xff), 1];
    expect(() => decodePublishRequest(Uint8Array.from(bytes))).toThrow('producer_id: an integer below 2^53');
  });
});
