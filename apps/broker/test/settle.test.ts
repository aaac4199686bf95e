import { durationFromMs, GroupMode, Outcome, type RetryPolicy } from '@hermes/contracts';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

let count = 0;

/** A topic of its own with one group, messages, and a subscriber that has received them. */
async function delivered(texts: readonly string[], group: Parameters<BrokerFixture['group']>[2] = {}) {
  count += 1;
  const topic = `settle-${count}`;
  await fixture.topic(topic);
  await fixture.group(topic, 'g', group);
  await fixture.publishTexts(topic, texts);
  const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
  const deliveries = [...(await subscriber.received(texts.length))];
  return { topic, subscriber, deliveries, who: { topic, group: 'g', consumer: 'c1' } };
}

const soon = {
  retry: {
    kind: {
      $case: 'exponential' as const,
      value: { initial: durationFromMs(20), max: durationFromMs(20), multiplier: 1, jitter: 0 },
    },
    maxAttempts: 3,
  },
};

describe('Acknowledge', () => {
  test('the same ACK twice is OK, in one call and in two', async () => {
    const { subscriber, deliveries } = await delivered(['a']);
    expect(await subscriber.settle([...deliveries, ...deliveries])).toEqual(['OK', 'OK']);
    expect(await subscriber.settle(deliveries)).toEqual(['OK']);
  });

  test('malformed receipts are INVALID_FIELD, forged ones and those of others NOT_ALLOWED', async () => {
    const { deliveries, who } = await delivered(['a']);
    const [delivery] = deliveries;
    const receipt = Buffer.from(delivery?.receipt ?? []);
    const forged = Buffer.from(receipt);
    forged.writeUInt8(forged.readUInt8(receipt.length - 1) ^ 1, receipt.length - 1);
    const elsewhere = Buffer.from(receipt);
    elsewhere.writeUInt16BE(999, 0);
    expect(
      await fixture.settle(
        [{ receipt: Buffer.from('short') }, { receipt: forged }, { receipt: elsewhere }, { receipt }],
        who,
      ),
    ).toEqual(['INVALID_FIELD', 'NOT_ALLOWED', 'NOT_ALLOWED', 'OK']);
    expect(await fixture.settle([{ receipt }], { ...who, consumer: 'c2' })).toEqual(['NOT_ALLOWED']);
  });

  test.each<[string, object, string]>([
    ['no outcome', { outcome: Outcome.UNSPECIFIED }, 'INVALID_FIELD'],
    ['an unknown outcome', { outcome: 77 }, 'INVALID_FIELD'],
    ['a negative delay', { outcome: Outcome.NACK, delay: durationFromMs(-1) }, 'INVALID_FIELD'],
    ['a delay above 12 h', { outcome: Outcome.NACK, delay: durationFromMs(43_200_001) }, 'INVALID_FIELD'],
    ['a reason above 1 KiB', { outcome: Outcome.NACK, reason: 'r'.repeat(1_025) }, 'INVALID_FIELD'],
    ['a delay for an ACK', { delay: durationFromMs(0) }, 'INVALID_FIELD'],
    ['a delay for a RETURN', { outcome: Outcome.RETURN, delay: durationFromMs(10) }, 'INVALID_FIELD'],
    ['a delay for a DEAD_LETTER', { outcome: Outcome.DEAD_LETTER, delay: durationFromMs(10) }, 'INVALID_FIELD'],
    ['a reason for an ACK', { reason: 'done' }, 'INVALID_FIELD'],
    ['a reason for an EXTEND', { outcome: Outcome.EXTEND, reason: 'slow' }, 'INVALID_FIELD'],
    ['a deadline for a NACK', { outcome: Outcome.NACK, deadline: durationFromMs(1_000) }, 'INVALID_FIELD'],
    ['a deadline for an ACK', { deadline: durationFromMs(1_000) }, 'INVALID_FIELD'],
    ['a deadline below 1 s', { outcome: Outcome.EXTEND, deadline: durationFromMs(999) }, 'INVALID_FIELD'],
  ])('an entry with %s is refused alone', async (_name, fields, code) => {
    const { subscriber, deliveries } = await delivered(['a']);
    expect(await subscriber.settle(deliveries, fields)).toEqual([code]);
    expect(await subscriber.settle(deliveries)).toEqual(['OK']);
  });

  test('bad requests are refused as a whole', async () => {
    const { topic, who } = await delivered(['a']);
    const entry = { receipt: Buffer.alloc(40) };
    await expect(fixture.acknowledge([], who)).rejects.toMatchObject({ code: 'INVALID_FIELD' });
    await expect(fixture.acknowledge(new Array(10_001).fill(entry), who)).rejects.toMatchObject({
      code: 'INVALID_FIELD',
    });
    await expect(fixture.acknowledge([entry], { ...who, consumer: '' })).rejects.toMatchObject({
      code: 'INVALID_FIELD',
    });
    await expect(fixture.acknowledge([entry], { ...who, group: 'none' })).rejects.toMatchObject({
      code: 'GROUP_NOT_FOUND',
    });
    await expect(fixture.acknowledge([entry], { ...who, topic: `${topic}-none` })).rejects.toMatchObject({
      code: 'TOPIC_NOT_FOUND',
    });
  });

  test('NACK brings the message again as the next attempt, with its delay', async () => {
    const { subscriber, deliveries } = await delivered(['a', 'b'], soon);
    const startedMs = performance.now();
    const reason = 'r'.repeat(1_024);
    await subscriber.settle(deliveries.slice(0, 1), { outcome: Outcome.NACK, delay: durationFromMs(300), reason });
    const [, , again] = await subscriber.received(3);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(299);
    expect(again).toMatchObject({ offset: deliveries[0]?.offset, attempt: 2, redelivered: true });
    expect(await subscriber.settle(deliveries.slice(0, 1))).toEqual(['STALE_DELIVERY']);
    expect(await subscriber.settle(subscriber.deliveries.slice(2))).toEqual(['OK']);
  });

  test('DEAD_LETTER gives it up at once: settled, counted, and its ACK is stale', async () => {
    const { topic, subscriber, deliveries } = await delivered(['a', 'b']);
    const [dead] = deliveries;
    expect(await subscriber.settle([dead!], { outcome: Outcome.DEAD_LETTER, reason: 'no such customer' })).toEqual([
      'OK',
    ]);
    expect(await subscriber.settle(deliveries)).toEqual(['STALE_DELIVERY', 'OK']);
    const { lanes } = await fixture.describeGroup(topic, 'g');
    expect(lanes).toMatchObject([{ deadLetters: 1, lag: 0, inFlight: 0, retrying: 0 }]);
  });

  test.each<[string, RetryPolicy['kind'], number]>([
    ['fixed', { $case: 'fixed', value: { delay: durationFromMs(20) } }, 3],
    ['list', { $case: 'list', value: { delays: [durationFromMs(20), durationFromMs(30)] } }, 3],
    ['none', { $case: 'none', value: {} }, 1],
  ])('a policy of kind %s is followed to the dead letter', async (_name, kind, attempts) => {
    const { topic, subscriber } = await delivered(['poison'], { retry: { kind, maxAttempts: attempts } });
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const deliveries = await subscriber.received(attempt);
      expect(deliveries.at(-1)?.attempt).toBe(attempt);
      expect(await subscriber.settle(deliveries.slice(-1), { outcome: Outcome.NACK })).toEqual(['OK']);
    }
    const { lanes } = await fixture.describeGroup(topic, 'g');
    expect(lanes).toMatchObject([{ deadLetters: 1, lag: 0, retrying: 0 }]);
  });

  test('delays of 600 ms and 200 ms set in that order come back in the other', async () => {
    const { subscriber, deliveries } = await delivered(['slow', 'quick']);
    const nack = (index: number, delayMs: number) =>
      subscriber.settle([deliveries[index]!], { outcome: Outcome.NACK, delay: durationFromMs(delayMs) });
    const startedMs = performance.now();
    await nack(0, 600);
    await nack(1, 200);
    await subscriber.received(3);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(199);
    await subscriber.received(4);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(599);
    expect(subscriber.texts.slice(2)).toEqual(['quick', 'slow']);
  });

  test('RETURN brings it again as the same attempt, not at once', async () => {
    const { subscriber, deliveries } = await delivered(['a']);
    const startedMs = performance.now();
    expect(await subscriber.settle(deliveries, { outcome: Outcome.RETURN })).toEqual(['OK']);
    const [, again] = await subscriber.received(2);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(99);
    expect(again).toMatchObject({ attempt: 1, redelivered: true });
  });

  test('after the last attempt the message is dead: counted once, and its ACK is stale', async () => {
    const { topic, subscriber } = await delivered(['poison'], soon);
    for (const attempt of [1, 2, 3]) {
      const deliveries = await subscriber.received(attempt);
      expect(deliveries.at(-1)?.attempt).toBe(attempt);
      expect(await subscriber.settle(deliveries.slice(-1), { outcome: Outcome.NACK })).toEqual(['OK']);
    }
    expect(await subscriber.settle(subscriber.deliveries.slice(-1))).toEqual(['STALE_DELIVERY']);
    const description = await fixture.describeGroup(topic, 'g');
    expect(description.lanes).toMatchObject([{ deadLetters: 1, lag: 0, inFlight: 0, retrying: 0 }]);
    await fixture.publishTexts(topic, ['next']);
    await subscriber.received(4);
    expect(subscriber.texts.at(-1)).toBe('next');
  });

  test('a passed deadline counts as NACK; EXTEND moves it', async () => {
    const { topic, subscriber, deliveries } = await delivered(['a', 'b'], {
      ...soon,
      mode: GroupMode.SHARED,
      ackDeadline: durationFromMs(1_000),
    });
    const extension = { outcome: Outcome.EXTEND, deadline: durationFromMs(60_000) };
    expect(await subscriber.settle(deliveries.slice(1), extension)).toEqual(['OK']);
    const [, , again] = await subscriber.received(3);
    expect(again).toMatchObject({ offset: deliveries[0]?.offset, attempt: 2 });
    expect(await subscriber.settle(deliveries)).toEqual(['STALE_DELIVERY', 'OK']);
    expect((await fixture.describeGroup(topic, 'g')).lanes[0]?.inFlight).toBe(1);
  });

  test('10,000 entries in one call settle together', async () => {
    const texts = new Array<string>(1_000).fill('x');
    const { topic, subscriber } = await delivered(texts);
    expect(await subscriber.settle(subscriber.deliveries)).toEqual(new Array(1_000).fill('OK'));
    const { lanes, oldestUnsettled } = await fixture.describeGroup(topic, 'g');
    expect(lanes[0]?.lag).toBe(0);
    expect(oldestUnsettled).toBeUndefined();
  });
});

describe('what is settled', () => {
  test('survives a restart, and what is not comes again', async () => {
    const { topic, subscriber, deliveries } = await delivered(['a', 'b', 'c', 'd'], soon);
    await subscriber.settle(deliveries.slice(0, 1));
    await subscriber.settle(deliveries.slice(2, 3));
    await subscriber.settle(deliveries.slice(3), { outcome: Outcome.NACK, delay: durationFromMs(1) });
    await fixture.restartBroker(topic);
    const again = await fixture.subscribe({ topic, group: 'g' }).opened();
    await again.received(2);
    expect([...again.texts].sort()).toEqual(['b', 'd']);
    expect(again.deliveries.find(({ offset }) => offset === deliveries[3]?.offset)?.attempt).toBe(2);
    expect(again.deliveries.every(({ redelivered }) => redelivered)).toBe(true);
    expect(await again.settle(again.deliveries)).toEqual(['OK', 'OK']);
  });
});
