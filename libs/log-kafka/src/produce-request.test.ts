import type { Message } from 'kafkajs';
import { requests } from 'kafkajs/src/protocol/requests/index.js';

import { encodeProduce } from './produce-request.js';

const PRODUCER = { producerId: '9007199254740993', producerEpoch: 3 };

/** What kafkajs itself sends, from the same objects. */
async function encodedByKafkajs(
  topics: Parameters<typeof encodeProduce>[0]['topics'],
  version: number,
): Promise<Buffer> {
  const options = { acks: -1, timeout: 8_000, ...PRODUCER, topicData: topics };
  const { request } = requests.Produce.protocol({ version })(options);
  return (await request.encode()).buffer;
}

const message = (fields: Partial<Message> = {}): Message => ({
  ...{ key: null, value: Buffer.from('value'), timestamp: '1796094000123' },
  ...fields,
});

describe('encodeProduce', () => {
  it.each([
    ['a record', [message()]],
    ['keys', [message({ key: Buffer.from('key') }), message({ key: 'text' }), message({ key: Buffer.alloc(0) })]],
    ['no value', [message({ value: null })]],
    ['headers', [message({ headers: { hermes: Buffer.alloc(16), other: 'text', twice: ['one', Buffer.alloc(3)] } })]],
    [
      'sizes on both sides of a varint',
      [63, 64, 8_191, 8_192, 1 << 20].map((size) => message({ value: Buffer.alloc(size) })),
    ],
    ['many records', Array.from({ length: 9_000 }, () => message())],
  ])('writes the bytes that kafkajs writes: %s', async (_, messages) => {
    const topics = [{ topic: 'orders', partitions: [{ partition: 7, firstSequence: 1_000_000_000, messages }] }];
    expect(encodeProduce({ timeoutMs: 8_000, ...PRODUCER, topics }).equals(await encodedByKafkajs(topics, 7))).toBe(
      true,
    );
  });

  it('writes several topics and partitions, the same in all versions from 3 to 7', async () => {
    const partitions = [1, 2].map((partition) => ({
      partition,
      firstSequence: partition,
      messages: [message(), message()],
    }));
    const topics = [
      { topic: 'orders', partitions },
      { topic: 'überweisungen', partitions },
    ];
    const bytes = encodeProduce({ timeoutMs: 8_000, ...PRODUCER, topics });
    for (const version of [3, 4, 5, 6, 7]) {
      expect(bytes.equals(await encodedByKafkajs(topics, version))).toBe(true);
    }
  });
});
