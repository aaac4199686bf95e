import type { Broker } from 'kafkajs/src/cluster/index.js';

import { askTopicId } from './topic-id.js';

const ID = '000102030405060708090a0b0c0d0e0f';
const NAME = 'x'.repeat(200);

const text = (value: string): Buffer => Buffer.concat([compact(value.length), Buffer.from(value)]);
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** A length as newer messages have it; up to 16,382. */
function compact(length: number): Buffer {
  const value = length + 1;
  return Buffer.from(value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >>> 7]);
}

function answer(errorCode: number): Buffer {
  const tag = Buffer.from([1, 9, 2, 0xff, 0xff]);
  const broker = Buffer.concat([int32(1), text('host'), int32(9092), Buffer.from([0]), tag]);
  const head = [Buffer.from([0]), int32(0), compact(2), broker, broker, text('cluster'), int32(1)];
  const topic = [Buffer.from([0, errorCode]), text(NAME), Buffer.from(ID, 'hex'), Buffer.from([0, 1, 0])];
  return Buffer.concat([...head, compact(1), ...topic]);
}

interface Call {
  readonly request: { readonly encode: () => Promise<{ readonly buffer: Buffer }> };
  readonly response: { readonly decode: (bytes: Buffer) => Promise<unknown> };
}

function broker(maxVersion: number, bytes: Buffer, asked: Buffer[] = []): Broker {
  const send = async ({ request, response }: Call): Promise<unknown> => {
    asked.push((await request.encode()).buffer);
    return response.decode(bytes);
  };
  return { versions: { 3: { maxVersion } }, connectionPool: { send } } as unknown as Broker;
}

describe('askTopicId', () => {
  it('asks for one topic by its name, and reads its id', async () => {
    const asked: Buffer[] = [];
    expect(await askTopicId(broker(10, answer(0), asked), NAME)).toBe(ID);
    const noId = Buffer.alloc(16);
    expect(asked).toEqual([Buffer.concat([Buffer.from([0, 2]), noId, text(NAME), Buffer.alloc(5)])]);
  });

  it('finds none where there is no such topic', async () => {
    expect(await askTopicId(broker(13, answer(3)), NAME)).toBeUndefined();
  });

  it('asks no broker that is too old to know any', async () => {
    const asked: Buffer[] = [];
    expect(await askTopicId(broker(9, answer(0), asked), NAME)).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
