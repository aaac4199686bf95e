import { HoldBrokerLeaseRequest } from './coordination.js';
import { AcknowledgeRequest, Message, PublishRequest, SubscribeAccepted, SubscribeRequest } from './messaging.js';

const decode = (bytes: number[]): unknown => PublishRequest.decode(Uint8Array.from(bytes));

describe('generated decoders', () => {
  it.each([
    ['a truncated string', [0x0a, 5, 0x61]],
    ['a truncated varint', [0x18, 0x80]],
    ['a truncated message', [0x12, 3, 0x0a]],
    ['a string that is not UTF-8', [0x0a, 2, 0xc3, 0x28]],
    ['an encoded surrogate', [0x0a, 3, 0xed, 0xa0, 0x80]],
    ['field number 0', [0x00]],
    ['field number 0 inside a message', [0x12, 1, 0x00]],
    ['wire type 6', [0x0e]],
    ['wire type 7', [0x0f]],
    ['a stray end of a group', [0x0c]],
    ['an unfinished group', [0x7b, 0x08, 1]],
    ['the end of another group', [0x7b, 0x74]],
    ['200 nested groups', [...Array<number>(200).fill(0x7b), ...Array<number>(200).fill(0x7c)]],
    ['an embedded message that passes its end', [0x12, 2, 0x0a, 3, 1, 1, 1]],
    ['a number beyond 2^53', [0x20, ...Array<number>(9).fill(0xff), 1]],
  ])('refuse %s', (_, bytes) => {
    expect(() => decode(bytes)).toThrow();
  });

  it('refuse a packed field that passes its end', () => {
    expect(() => SubscribeAccepted.decode(Uint8Array.from([0x1a, 1, 0x80, 1]))).toThrow();
  });

  it('refuse a map entry that is not UTF-8', () => {
    expect(() => Message.decode(Uint8Array.from([0x22, 3, 0x0a, 1, 0xff]))).toThrow();
  });

  it('refuse more embedded messages than any list has, and take as many as the longest', () => {
    const register = (held: number): Buffer => {
      const length = [0x80 | ((2 * held) & 0x7f), 0x80 | (((2 * held) >>> 7) & 0x7f), (2 * held) >>> 14];
      return Buffer.concat([Buffer.from([0x0a, ...length]), Buffer.alloc(2 * held, Buffer.from([0x4a, 0]))]);
    };
    expect(HoldBrokerLeaseRequest.decode(register(100_000)).kind?.value).toMatchObject({ held: { length: 100_000 } });
    expect(() => HoldBrokerLeaseRequest.decode(register(250_001))).toThrow('more than 250000 embedded messages');
  });

  it('refuse every message that is cut short in the middle of a field', () => {
    const bytes = HoldBrokerLeaseRequest.encode({
      kind: { $case: 'heartbeat', value: { sequence: 1_000_000, dataSources: [] } },
    }).finish();
    for (let length = 1; length < bytes.length; length++) {
      expect(() => HoldBrokerLeaseRequest.decode(bytes.subarray(0, length))).toThrow();
    }
  });

  it('tolerate unknown fields of every wire type', () => {
    const unknown = [0x78, 1, 0x79, ...Array<number>(8).fill(1), 0x7a, 1, 1, 0x7d, 1, 1, 1, 1, 0x7b, 0x08, 1, 0x7c];
    expect(SubscribeRequest.decode(Uint8Array.from([...unknown, 0x0a, 1, 0x74])).topic).toBe('t');
    expect(AcknowledgeRequest.decode(Uint8Array.from(unknown)).entries).toEqual([]);
  });

  it('take a leading byte-order mark and __proto__ as they are', () => {
    const message = Message.decode(new Uint8Array(0));
    message.key = '\ufeffkey';
    message.attributes.set('__proto__', 'x');
    expect(Message.decode(Message.encode(message).finish())).toEqual(message);
  });
});
