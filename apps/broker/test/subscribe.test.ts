import { durationFromMs, GroupMode, PositionEdge, type SubscribeRequest } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(async () => {
  await fixture.start();
  await fixture.topic('orders', { partitions: 2 });
  await fixture.group('orders', 'billing');
});
afterAll(() => fixture.stop());

const claim = (partition: number, consumerEpoch = 1): SubscribeRequest['claims'][number] => ({
  partition,
  consumerEpoch,
});

describe('Subscribe', () => {
  test.each<[string, Partial<SubscribeRequest>, string]>([
    ['an unknown group', { group: 'nobody' }, 'GROUP_NOT_FOUND'],
    ['an unknown topic', { topic: 'nothing' }, 'TOPIC_NOT_FOUND'],
    ['an empty consumer', { consumer: '' }, 'INVALID_FIELD'],
    ['a consumer of 129 characters', { consumer: 'c'.repeat(129) }, 'INVALID_FIELD'],
    ['no credit', { maxInFlightMessages: 0 }, 'INVALID_FIELD'],
    ['negative credit', { maxInFlightMessages: -1 }, 'INVALID_FIELD'],
    ['credit above 10,000', { maxInFlightMessages: 10_001 }, 'INVALID_FIELD'],
    ['bytes below 1 MiB', { maxInFlightBytes: 1 }, 'INVALID_FIELD'],
    ['a deadline below 1 s', { ackDeadline: durationFromMs(999) }, 'INVALID_FIELD'],
    ['a partition that the topic lacks', { claims: [claim(2)] }, 'INVALID_FIELD'],
    ['a claim twice', { claims: [claim(0), claim(0)] }, 'INVALID_FIELD'],
  ])('%s is refused', async (_name, request, code) => {
    await fixture.subscribe(request).failed(code);
  });

  test('accepted comes first and tells the terms', async () => {
    const subscriber = await fixture.subscribe({ ackDeadline: durationFromMs(5_000) }).opened();
    expect(subscriber.accepted).toMatchObject({
      resumed: false,
      partitions: [0, 1],
      mode: GroupMode.KEY_ORDERED,
      ackDeadline: durationFromMs(5_000),
      maxAttempts: 16,
    });
    subscriber.cancel();
  });

  test('credit is one budget over all partitions of the stream', async () => {
    await fixture.topic('credit', { partitions: 2 });
    await fixture.group('credit', 'g', { mode: GroupMode.SHARED });
    await fixture.publishTexts('credit', new Array<string>(40).fill('x'));
    const subscriber = await fixture.subscribe({ topic: 'credit', group: 'g', maxInFlightMessages: 10 }).opened();
    await subscriber.received(10);
    let settled = 0;
    while (settled < 40) {
      const open = subscriber.deliveries.slice(settled);
      expect(open.length).toBeLessThanOrEqual(10);
      await subscriber.settle(open);
      settled += open.length;
      await subscriber.received(Math.min(40, settled + 1));
    }
    expect(new Set(subscriber.deliveries.map(({ partition, offset }) => `${partition}/${offset}`)).size).toBe(40);
  });

  test('a message above the credit in bytes goes alone', async () => {
    await fixture.topic('bytes', { maxBodyBytes: 3 * 1024 * 1024 });
    await fixture.group('bytes', 'g', { mode: GroupMode.SHARED });
    await fixture.publishTexts('bytes', ['x'.repeat(2 * 1024 * 1024)]);
    await fixture.publishTexts('bytes', ['small']);
    const subscriber = await fixture.subscribe({ topic: 'bytes', group: 'g', maxInFlightBytes: 1024 * 1024 }).opened();
    const [big] = await subscriber.received(1);
    expect(subscriber.deliveries).toHaveLength(1);
    await subscriber.settle(big === undefined ? [] : [big]);
    await subscriber.received(2);
    expect(subscriber.texts[1]).toBe('small');
  });

  test('a later stream of a consumer takes what it claims; one left without any ends FENCED', async () => {
    await fixture.topic('taken', { partitions: 2 });
    await fixture.group('taken', 'g');
    const first = await fixture.subscribe({ topic: 'taken', group: 'g' }).opened();
    const second = await fixture.subscribe({ topic: 'taken', group: 'g', claims: [claim(0)] }).opened();
    await eventually(() => {
      expect(first.drained).toEqual([[0]]);
    });
    expect(first.error).toBeUndefined();
    await fixture.subscribe({ topic: 'taken', group: 'g', claims: [claim(1)] }).opened();
    await first.failed('FENCED');
    expect(second.error).toBeUndefined();
    await fixture.subscribe({ topic: 'taken', group: 'g', claims: [claim(0, 0)] }).failed('FENCED');
  });

  test('two consumers share, and a lost one gives back what it held', async () => {
    await fixture.topic('shared');
    await fixture.group('shared', 'g', { mode: GroupMode.SHARED });
    const who = { topic: 'shared', group: 'g', maxInFlightMessages: 5 };
    const first = await fixture.subscribe({ ...who, consumer: 'c1' }).opened();
    const second = await fixture.subscribe({ ...who, consumer: 'c2' }).opened();
    await fixture.publishTexts('shared', ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    await first.received(5);
    await second.received(5);
    const mine = second.deliveries.slice();
    await second.settle(mine);
    first.cancel();
    await second.received(10);
    expect(new Set(second.offsets).size).toBe(10);
    expect(second.deliveries.slice(5).every(({ redelivered, attempt }) => redelivered && attempt === 1)).toBe(true);
  });

  test('keys keep their order: the next message of a key waits for the one before it', async () => {
    await fixture.topic('keyed');
    await fixture.group('keyed', 'g');
    await fixture.publishTexts('keyed', ['a1', 'a2', 'a3'], { key: 'a' });
    await fixture.publishTexts('keyed', ['b1'], { key: 'b' });
    const subscriber = await fixture.subscribe({ topic: 'keyed', group: 'g' }).opened();
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['a1', 'b1']);
    await subscriber.settle(subscriber.deliveries.slice(0, 1));
    await subscriber.received(3);
    expect(subscriber.texts).toEqual(['a1', 'b1', 'a2']);
  });

  test('a subscriber that never reads holds a bounded amount, and others go on', async () => {
    await fixture.topic('slow');
    await fixture.group('slow', 'g', { mode: GroupMode.SHARED });
    await fixture.group('slow', 'other', { mode: GroupMode.SHARED });
    const slow = fixture.subscribe({ topic: 'slow', group: 'g', maxInFlightMessages: 10_000 });
    await slow.opened();
    slow.pause();
    const body = 'x'.repeat(100_000);
    for (let nth = 0; nth < 20; nth += 1) {
      await fixture.publishTexts('slow', new Array<string>(10).fill(body));
    }
    const other = await fixture.subscribe({ topic: 'slow', group: 'other' }).opened();
    const seen = new Set<number>();
    while (seen.size < 200) {
      const open = other.deliveries.filter(({ offset }) => !seen.has(offset));
      await other.settle(open.length === 0 ? [] : open).catch(() => []);
      open.forEach(({ offset }) => seen.add(offset));
      await other.received(Math.min(200, seen.size + 1));
    }
    expect(slow.deliveries.length).toBeLessThan(200);
    slow.resume();
    await slow.received(150);
  });

  test('a group paused stays silent and goes on when resumed; a deleted one ends its streams', async () => {
    await fixture.topic('paused');
    await fixture.group('paused', 'g');
    const subscriber = await fixture.subscribe({ topic: 'paused', group: 'g' }).opened();
    await fixture.group('paused', 'g', { paused: true });
    await fixture.publishTexts('paused', ['a']);
    expect(subscriber.deliveries).toHaveLength(0);
    await fixture.group('paused', 'g', { paused: false });
    await subscriber.received(1);
    fixture.meta.deleteGroup('paused', 'g');
    await subscriber.failed('GROUP_NOT_FOUND');
    await fixture.subscribe({ topic: 'paused', group: 'g' }).failed('GROUP_NOT_FOUND');
  });

  test('a group that starts at the latest gets what is published after it was made, one at the earliest all', async () => {
    await fixture.topic('starts');
    await fixture.publishTexts('starts', ['old']);
    await fixture.group('starts', 'late', { start: { kind: { $case: 'edge', value: PositionEdge.LATEST } } });
    await fixture.group('starts', 'early');
    await fixture.publishTexts('starts', ['new']);
    const late = await fixture.subscribe({ topic: 'starts', group: 'late' }).opened();
    const early = await fixture.subscribe({ topic: 'starts', group: 'early' }).opened();
    await late.received(1);
    await early.received(2);
    expect(late.texts).toEqual(['new']);
    expect(early.texts).toEqual(['old', 'new']);
  });
});

describe('Subscribe to an EXCLUSIVE group', () => {
  test('needs claims, gives a fencing token that grows, and refuses the older holder everywhere', async () => {
    await fixture.topic('exclusive');
    await fixture.group('exclusive', 'g', { mode: GroupMode.EXCLUSIVE });
    const who = { topic: 'exclusive', group: 'g' };
    await fixture.subscribe(who).failed('INVALID_FIELD');
    await fixture.publishTexts('exclusive', ['a', 'b', 'c']);
    const first = await fixture.subscribe({ ...who, consumer: 'c1', claims: [claim(0, 5)] }).opened();
    const held = [...(await first.received(3))];
    expect(first.texts).toEqual(['a', 'b', 'c']);
    expect(await first.settle(held.slice(0, 1))).toEqual(['OK']);
    const second = await fixture.subscribe({ ...who, consumer: 'c2', claims: [claim(0, 6)] }).opened();
    await first.failed('FENCED');
    await second.received(2);
    expect(second.texts).toEqual(['b', 'c']);
    expect(second.deliveries[0]?.fencingToken).toBeGreaterThan(held[0]?.fencingToken ?? 0);
    expect(held[0]?.fencingToken).toBeGreaterThan(0);
    expect(await first.settle(held.slice(1))).toEqual(['FENCED', 'FENCED']);
    await fixture.subscribe({ ...who, consumer: 'c1', claims: [claim(0, 5)] }).failed('FENCED');
    expect(await second.settle(second.deliveries)).toEqual(['OK', 'OK']);
  });
});
