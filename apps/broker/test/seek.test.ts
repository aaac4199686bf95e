import {
  fromServiceError,
  GroupMode,
  Outcome,
  type Position,
  PositionEdge,
  type SeekResponse,
} from '@hermes/contracts';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

let count = 0;

async function consumed(texts: readonly string[], group: Parameters<BrokerFixture['group']>[2] = {}) {
  count += 1;
  const topic = `seek-${count}`;
  await fixture.topic(topic);
  await fixture.group(topic, 'g', group);
  const ids = await fixture.publishTexts(topic, texts);
  const claims = group.mode === GroupMode.EXCLUSIVE ? [{ partition: 0, consumerEpoch: 1 }] : [];
  const subscriber = await fixture.subscribe({ topic, group: 'g', claims }).opened();
  await subscriber.received(texts.length);
  return { topic, ids, subscriber };
}

function seek(topic: string, to: Position['kind'], dryRun = false): Promise<SeekResponse> {
  return new Promise((resolve, reject) => {
    fixture.partitions.seek({ topic, group: 'g', partitions: [], to: { kind: to }, dryRun }, (error, response) => {
      if (error === null) {
        resolve(response);
      } else {
        reject(fromServiceError(error));
      }
    });
  });
}

const earliest: Position['kind'] = { $case: 'edge', value: PositionEdge.EARLIEST };
const latest: Position['kind'] = { $case: 'edge', value: PositionEdge.LATEST };
const offset = (at: number): Position['kind'] => ({
  $case: 'offset',
  value: { partition: 0, lane: 0, offset: at },
});

describe.each([GroupMode.SHARED, GroupMode.KEY_ORDERED, GroupMode.EXCLUSIVE])('Seek, mode %s', (mode) => {
  test('back: all comes again on the same stream, what was in flight is stale, its credit is free', async () => {
    const { topic, subscriber } = await consumed(['a', 'b', 'c'], { mode });
    const before = [...subscriber.deliveries];
    expect(await subscriber.settle(before.slice(0, 1))).toEqual(['OK']);
    const { lanes } = await seek(topic, earliest);
    expect(lanes).toEqual([{ partition: 0, lane: 0, fromOffset: 2, toOffset: 0 }]);
    const again = (await subscriber.received(6)).slice(3);
    expect(again.map(({ message }) => Buffer.from(message?.body ?? []).toString())).toEqual(['a', 'b', 'c']);
    expect(again.every(({ attempt, redelivered }) => attempt === 1 && redelivered)).toBe(true);
    expect(await subscriber.settle(before)).toEqual(Array(3).fill('STALE_DELIVERY'));
    expect(await subscriber.settle(again)).toEqual(Array(3).fill('OK'));
    const group = await fixture.describeGroup(topic, 'g');
    expect(group.lanes).toMatchObject([{ lag: 0, inFlight: 0 }]);
    expect(group.consumers).toMatchObject([{ consumer: 'c1' }]);
  });

  test('forward: what is skipped never comes, what is published then does', async () => {
    const { topic, subscriber } = await consumed(['a', 'b'], { mode });
    await seek(topic, latest);
    await fixture.publishTexts(topic, ['c']);
    await subscriber.received(3);
    expect(subscriber.texts).toEqual(['a', 'b', 'c']);
    expect(await subscriber.settle(subscriber.deliveries)).toEqual(['STALE_DELIVERY', 'STALE_DELIVERY', 'OK']);
  });
});

test('retries at or above the new position are dropped, dead letters kept; both through a restart', async () => {
  const retry = { kind: { $case: 'fixed' as const, value: { delay: { seconds: 3_600, nanos: 0 } } }, maxAttempts: 9 };
  const { topic, subscriber } = await consumed(['a', 'b', 'c'], { retry });
  const [a, b, c] = subscriber.deliveries;
  await subscriber.settle([a!, b!], { outcome: Outcome.NACK });
  await subscriber.settle([c!], { outcome: Outcome.DEAD_LETTER });
  await seek(topic, offset(b!.offset));
  const after = { retrying: 1, deadLetters: 1, floor: b!.offset };
  expect((await fixture.describeGroup(topic, 'g')).lanes).toMatchObject([after]);
  await fixture.restartBroker(topic);
  expect((await fixture.describeGroup(topic, 'g')).lanes).toMatchObject([after]);
  const later = await fixture.subscribe({ topic, group: 'g' }).opened();
  const again = await later.received(2);
  expect(again).toMatchObject([
    { offset: b!.offset, attempt: 1 },
    { offset: c!.offset, attempt: 1 },
  ]);
  expect(await fixture.settle([b!, c!], { topic, group: 'g' })).toEqual(['STALE_DELIVERY', 'STALE_DELIVERY']);
  expect(await later.settle(again)).toEqual(['OK', 'OK']);
});

test('a shift, a time and a dry run', async () => {
  const { topic, subscriber } = await consumed(['a', 'b', 'c']);
  await subscriber.settle(subscriber.deliveries);
  const at = (fromOffset: number, toOffset: number) => [{ partition: 0, lane: 0, fromOffset, toOffset }];
  expect((await seek(topic, { $case: 'shift', value: -2 }, true)).lanes).toEqual(at(4, 2));
  expect((await seek(topic, { $case: 'shift', value: -100 }, true)).lanes).toEqual(at(4, 0));
  expect((await seek(topic, { $case: 'shift', value: 100 }, true)).lanes).toEqual(at(4, 4));
  expect((await seek(topic, { $case: 'time', value: { seconds: 1, nanos: 0 } }, true)).lanes).toEqual(at(4, 1));
  expect((await seek(topic, { $case: 'time', value: { seconds: 9e9, nanos: 0 } }, true)).lanes).toEqual(at(4, 4));
  expect(subscriber.deliveries).toHaveLength(3);
  await seek(topic, { $case: 'shift', value: -1 });
  await subscriber.received(4);
  expect(subscriber.texts.at(-1)).toBe('c');
});

test('what is no position, or out of range, is refused', async () => {
  const { topic } = await consumed(['a']);
  await expect(seek(topic, undefined)).rejects.toMatchObject({ code: 'INVALID_FIELD' });
  await expect(seek(topic, { $case: 'edge', value: PositionEdge.UNSPECIFIED })).rejects.toMatchObject({
    code: 'INVALID_FIELD',
  });
  await expect(seek(topic, offset(99))).rejects.toMatchObject({
    code: 'OFFSET_OUT_OF_RANGE',
    details: { earliest: '0', latest: '2' },
  });
  const elsewhere = { partition: 7, lane: 0, offset: 0 };
  await expect(seek(topic, { $case: 'offset', value: elsewhere })).rejects.toMatchObject({ code: 'INVALID_FIELD' });
});

test('GetMessage reads one stored message by its id', async () => {
  const { ids } = await consumed(['a', 'b']);
  const get = (messageId: string) =>
    new Promise<string>((resolve) => {
      fixture.partitions.getMessage({ messageId }, (error, response) => {
        resolve(
          error === null ? Buffer.from(response.stored?.message?.body ?? []).toString() : fromServiceError(error).code,
        );
      });
    });
  expect(await Promise.all(ids.map(get))).toEqual(['a', 'b']);
  const [id = ''] = ids;
  expect(await get(id.replace(/\d+$/, '99'))).toBe('MESSAGE_NOT_FOUND');
  expect(await get(id.replace(/\d+$/, '0'))).toBe('MESSAGE_NOT_FOUND');
  expect(await get(id.replace(/\/0\/0\//, '/9/0/'))).toBe('INVALID_FIELD');
  expect(await get('nonsense')).toBe('INVALID_FIELD');
});
