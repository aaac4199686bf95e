import { credentials, Metadata } from '@grpc/grpc-js';
import {
  type DescribeTopicResponse,
  fromServiceError,
  type Position,
  PositionEdge,
  type RawStoredMessage,
  RawPartitionClient,
  type ReadMessagesRequest,
  timestampFromMs,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
let ids: string[] = [];

beforeAll(async () => {
  await fixture.start();
  await fixture.topic('orders', { partitions: 2 });
  await fixture.group('orders', 'billing');
  ids = await fixture.publishTexts('orders', ['a', 'b', 'c', 'd', 'e', 'f']);
});
afterAll(() => fixture.stop());

/** Reads as a stream; `received` grows, `ended` tells how it ended. */
function open(request: Partial<ReadMessagesRequest>) {
  const client = new RawPartitionClient(fixture.broker.endpoint, credentials.createInsecure());
  const received: RawStoredMessage[] = [];
  const full = { topic: 'orders', partitions: [], filter: '', limit: 0, follow: false, ...request };
  const stream = client.readMessages(full, new Metadata(), {});
  const ended = new Promise<string>((resolve) => {
    stream.on('end', () => {
      resolve('OK');
    });
    stream.on('error', (error) => {
      resolve(fromServiceError(error).code);
    });
  }).finally(() => {
    client.close();
  });
  stream.on('data', ({ messages }: { messages: RawStoredMessage[] }) => received.push(...messages));
  return {
    received,
    ended,
    cancel: () => {
      stream.cancel();
    },
  };
}

async function read(request: Partial<ReadMessagesRequest>): Promise<string[]> {
  const { received, ended } = open(request);
  expect(await ended).toBe('OK');
  return received.map(({ messageId }) => messageId);
}

const edge = (value: PositionEdge): Position => ({ kind: { $case: 'edge', value } });
const at = (partition: number, offset: number): Position => ({
  kind: { $case: 'offset', value: { partition, lane: 0, offset } },
});

describe('ReadMessages', () => {
  test('gives everything, by partition and offset, with times', async () => {
    const { received, ended } = open({});
    expect(await ended).toBe('OK');
    expect(received.map(({ messageId }) => messageId)).toEqual([...ids].sort());
    expect(received.every(({ publishedAtMs }) => Math.abs(publishedAtMs - Date.now()) < 60_000)).toBe(true);
  });

  test('keeps to partitions, limit, start and end', async () => {
    const ofOne = ids.filter((id) => id.startsWith('orders/1/'));
    expect(await read({ partitions: [1] })).toEqual(ofOne);
    expect(await read({ partitions: [1], limit: 2 })).toEqual(ofOne.slice(0, 2));
    const offset = Number(ofOne[1]?.split('/')[3]);
    expect(await read({ start: at(1, offset) })).toEqual(ofOne.slice(1));
    expect(await read({ start: at(1, offset), end: at(1, offset + 1) })).toEqual(ofOne.slice(1, 2));
    expect(await read({ start: edge(PositionEdge.LATEST) })).toEqual([]);
    expect(await read({ end: edge(PositionEdge.EARLIEST) })).toEqual([]);
    const future: Position = { kind: { $case: 'time', value: timestampFromMs(Date.now() + 60_000) } };
    expect(await read({ start: future })).toEqual([]);
    expect(await read({ end: future })).toHaveLength(6);
  });

  test.each<[string, Partial<ReadMessagesRequest>, string]>([
    ['an empty position', { start: {} }, 'INVALID_FIELD'],
    ['no edge', { start: edge(PositionEdge.UNSPECIFIED) }, 'INVALID_FIELD'],
    ['a shift', { start: { kind: { $case: 'shift', value: 1 } } }, 'INVALID_FIELD'],
    ['a negative limit', { limit: -1 }, 'INVALID_FIELD'],
    ['a partition that the topic lacks', { partitions: [2] }, 'INVALID_FIELD'],
    ['two lanes', { start: at(0, 0), end: at(1, 0) }, 'INVALID_FIELD'],
    ['an offset beyond the end', { start: at(0, 10_000) }, 'OFFSET_OUT_OF_RANGE'],
    ['a filter that is none', { filter: 'name == "a"' }, 'INVALID_FIELD'],
    ['a filter above 1 KiB', { filter: 'x'.repeat(1_025) }, 'INVALID_FIELD'],
    ['an unknown topic', { topic: 'nothing' }, 'TOPIC_NOT_FOUND'],
  ])('%s is refused', async (_name, request, code) => {
    expect(await open(request).ended).toBe(code);
  });

  test('follows what is published, and ends when the partition leaves', async () => {
    await fixture.topic('followed');
    const { received, ended } = open({ topic: 'followed', follow: true });
    await fixture.publishTexts('followed', ['1']);
    await eventually(() => {
      expect(received).toHaveLength(1);
    });
    await fixture.publishTexts('followed', ['2', '3']);
    await eventually(() => {
      expect(received).toHaveLength(3);
    });
    fixture.meta.take('followed', 0);
    expect(await ended).toBe('PARTITION_MOVING');
  });
});

test('DescribeTopic tells the extent of every lane', async () => {
  const { lanes } = await new Promise<DescribeTopicResponse>((resolve, reject) => {
    fixture.partitions.describeTopic({ topic: 'orders' }, (error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(error);
      }
    });
  });
  expect(lanes.map(({ partition, lane }) => [partition, lane])).toEqual([
    [0, 0],
    [1, 0],
  ]);
  expect(lanes.every(({ firstOffset, nextOffset, sizeBytes }) => nextOffset > firstOffset && sizeBytes > 0)).toBe(true);
});

test('DescribeGroup tells progress, what is in flight, and who holds it', async () => {
  const before = await fixture.describeGroup('orders', 'billing');
  expect(before.lanes.map(({ lag }) => lag).reduce((a, b) => a + b)).toBe(6);
  expect(before.oldestUnsettled).toBeDefined();
  const subscriber = await fixture.subscribe().opened();
  const deliveries = [...(await subscriber.received(6))];
  await subscriber.settle(deliveries.slice(0, 2));
  const during = await fixture.describeGroup('orders', 'billing');
  expect(during.consumers).toMatchObject([{ consumer: 'c1', partitions: [0, 1], inFlight: 4 }]);
  expect(during.lanes.map(({ lag }) => lag).reduce((a, b) => a + b)).toBe(4);
  await expect(fixture.describeGroup('orders', 'nobody')).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
});
