import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeadLetterCause,
  type Duration,
  durationFromMs,
  type Message,
  Outcome,
  statusToError,
  timestampFromMs,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

jest.setTimeout(20_000);
const TTL_MS = 300;
const TTL: Duration = durationFromMs(TTL_MS);
const LONG: Duration = durationFromMs(600_000);

let count = 0;

async function topicOf(group: Parameters<BrokerFixture['group']>[2] = {}): Promise<string> {
  count += 1;
  const topic = `expiry-${count}`;
  await fixture.topic(topic);
  await fixture.group(topic, 'g', group);
  return topic;
}

const lanes = async (topic: string) => (await fixture.describeGroup(topic, 'g')).lanes;
const deadLetters = async (topic: string) => (await fixture.listDeadLetters({ topic, group: 'g' })).deadLetters;

describe('a message with a ttl', () => {
  test('is delivered in time, and not at all afterwards: it counts as settled', async () => {
    const topic = await topicOf();
    await fixture.publishTexts(topic, ['early'], { ttl: LONG });
    const first = await fixture.subscribe({ topic, group: 'g' }).opened();
    expect(await first.settle(await first.received(1))).toEqual(['OK']);
    first.cancel();
    const before = await fixture.metric('hermes_broker_expired_messages_total');
    await fixture.publishTexts(topic, ['late 1', 'late 2'], { ttl: TTL });
    await fixture.publishTexts(topic, ['any time']);
    await sleep(TTL_MS);
    const second = await fixture.subscribe({ topic, group: 'g', consumer: 'c2' }).opened();
    await second.settle(await second.received(1));
    expect(second.texts).toEqual(['any time']);
    await eventually(async () => {
      expect(await lanes(topic)).toMatchObject([{ lag: 0, floor: 5, deadLetters: 0 }]);
    });
    expect((await fixture.metric('hermes_broker_expired_messages_total')) - before).toBe(2);
  });

  test('is not delivered again once it has expired, though its retry is due', async () => {
    const topic = await topicOf();
    await fixture.publishTexts(topic, ['tried'], { ttl: TTL });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const tried = await subscriber.received(1);
    await subscriber.settle(tried, { outcome: Outcome.NACK, delay: durationFromMs(TTL_MS) });
    await eventually(async () => {
      expect(await lanes(topic)).toMatchObject([{ lag: 0, retrying: 0, deadLetters: 0 }]);
    });
    await fixture.publishTexts(topic, ['next']);
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['tried', 'next']);
  });

  test('knows its time after a restart, and when it is read from storage', async () => {
    const topic = await topicOf();
    await fixture.publishTexts(topic, ['gone'], { ttl: TTL });
    await fixture.publishTexts(topic, ['here'], { ttl: LONG });
    await fixture.restartBroker(topic);
    await sleep(TTL_MS);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await subscriber.received(1);
    expect(subscriber.texts).toEqual(['here']);
    expect(subscriber.deliveries[0]?.message?.ttl).toEqual(LONG);
  });

  test('becomes a dead letter where the group says so; redriven it comes, through a restart, whatever the time', async () => {
    const topic = await topicOf({ deadLetterExpired: true });
    await fixture.publishTexts(topic, ['late 1', 'late 2'], { ttl: TTL });
    await sleep(TTL_MS);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await eventually(async () => {
      expect(await lanes(topic)).toMatchObject([{ lag: 0, deadLetters: 2 }]);
    });
    const expired = { cause: DeadLetterCause.EXPIRED, reason: 'ttl passed', attempts: 0 };
    expect(await deadLetters(topic)).toMatchObject([expired, expired]);
    await new Promise((resolve) => {
      const all = { topic, group: 'g', all: true, filter: '', messageIds: [] };
      fixture.partitions.redriveDeadLetters(all, resolve);
    });
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['late 1', 'late 2']);
    await fixture.restartBroker(topic);
    const again = await fixture.subscribe({ topic, group: 'g' }).opened();
    expect(await again.settle(await again.received(2))).toEqual(['OK', 'OK']);
    expect(await lanes(topic)).toMatchObject([{ lag: 0, deadLetters: 0 }]);
  });

  test('that is scheduled has its ttl from its publish on, which has to be longer than its wait', async () => {
    const topic = await topicOf();
    const scheduled = (text: string, delayMs: number, ttlMs: number): Message =>
      message(text, {
        schedule: { $case: 'deliverAt', value: timestampFromMs(Date.now() + delayMs) },
        ttl: durationFromMs(ttlMs),
      });
    const { results } = await fixture.publish({
      topic,
      messages: [
        scheduled('too short', 60_000, 59_000),
        message('gone', { schedule: { $case: 'delay', value: durationFromMs(TTL_MS - 50) }, ttl: TTL }),
        scheduled('here', TTL_MS, 600_000),
      ],
    });
    expect(results.map(({ outcome }) => outcome?.$case)).toEqual(['error', 'scheduleId', 'scheduleId']);
    const [first] = results.map(({ outcome }) => outcome);
    expect(first?.$case === 'error' && statusToError(first.value)).toMatchObject({
      code: 'INVALID_FIELD',
      violations: [{ field: 'messages[0].ttl', description: 'above the time until deliver_at' }],
    });
    await sleep(2 * TTL_MS);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await subscriber.received(1);
    expect(subscriber.texts).toEqual(['here']);
  });
});
