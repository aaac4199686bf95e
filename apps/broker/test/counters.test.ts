import { durationFromMs, GroupMode, Outcome } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

const counts = async (...names: readonly string[]): Promise<number[]> =>
  Promise.all(names.map((name) => fixture.metric(`hermes_broker_${name}`)));

const SETTLES = ['ack', 'nack', 'return', 'extend'].map((outcome) => `settles_total{outcome="${outcome}"}`);
const DELIVERED = ['false', 'true'].map((again) => `delivered_messages_total{redelivered="${again}"}`);
const DEAD = ['attempts', 'consumer', 'expired'].map((cause) => `dead_letters_total{cause="${cause}"}`);

const once = {
  kind: {
    $case: 'exponential' as const,
    value: { initial: durationFromMs(1), max: durationFromMs(1), multiplier: 1, jitter: 0 },
  },
  maxAttempts: 2,
};

test('counters are there before anything happens', async () => {
  const names = [...SETTLES, ...DELIVERED, ...DEAD, 'published_messages_total', 'published_bytes_total'];
  expect(await counts(...names, 'append_batches_total', 'retries_total')).toEqual(new Array(13).fill(0));
});

test('each message is counted when it is appended, delivered, settled, retried and given up', async () => {
  await fixture.topic('orders');
  await fixture.group('orders', 'billing', { mode: GroupMode.SHARED, retry: once });
  await fixture.publishTexts('orders', ['good', 'bad', 'back']);
  await fixture.publishTexts('orders', ['more']);
  const subscriber = await fixture.subscribe().opened();
  const [good, bad, back, more] = await subscriber.received(4);
  expect(await counts('published_messages_total', 'append_batches_total')).toEqual([4, 2]);
  expect((await counts('published_bytes_total'))[0]).toBeGreaterThan(15);
  await subscriber.settle([more!], { outcome: Outcome.EXTEND });
  await subscriber.settle([good!, more!]);
  await subscriber.settle([bad!], { outcome: Outcome.NACK });
  await subscriber.settle([back!], { outcome: Outcome.RETURN });
  const again = (await subscriber.received(6)).slice(4);
  await subscriber.settle(again, { outcome: Outcome.NACK });
  expect(await subscriber.settle([bad!, { ...good!, receipt: Buffer.from('x') }])).toEqual([
    'STALE_DELIVERY',
    'INVALID_FIELD',
  ]);
  await subscriber.settle((await subscriber.received(7)).slice(6));
  await eventually(async () => {
    expect(await counts(...SETTLES, ...DELIVERED)).toEqual([3, 3, 1, 1, 4, 3]);
  });
  expect(await counts('retries_total', ...DEAD)).toEqual([2, 1, 0, 0]);
  const refused = ['STALE_DELIVERY', 'INVALID_FIELD'].map((reason) => `refused_settles_total{reason="${reason}"}`);
  expect(await counts(...refused)).toEqual([1, 1]);
});
