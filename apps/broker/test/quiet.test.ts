import { eventually, FakeClock, FakeTimers } from '@hermes/testing';
import { BrokerFixture } from './broker-fixture.js';

/** Behind the callers' clocks, by which their deadlines are, also once a minute has passed. */
const clock = new FakeClock({ wallMs: Date.now() - 120_000 });
const timers = new FakeTimers(clock);
const fixture = new BrokerFixture({ clock, timers });
beforeAll(async () => {
  // Time is the test's: the lease must not end because an answer takes a moment of it.
  fixture.meta.ttlMs = 600_000;
  await fixture.start();
  await fixture.topic('orders', { partitions: 2 });
  await fixture.group('orders', 'billing');
});
afterAll(() => fixture.stop());

test('while nothing is published for a minute a subscriber gets heartbeats only, and the store is not read', async () => {
  const subscriber = await fixture.subscribe().opened();
  await fixture.publishTexts('orders', ['a', 'b', 'c']);
  expect(await subscriber.settle(await subscriber.received(3))).toEqual(['OK', 'OK', 'OK']);
  const loads = await fixture.metric('hermes_broker_page_loads');
  const batches = subscriber.batches.length;
  for (let second = 1; second <= 60; second += 1) {
    await timers.advanceAsync(1_000);
  }
  await eventually(() => {
    expect(subscriber.heartbeats).toBe(12);
  });
  expect(subscriber.batches).toHaveLength(batches);
  expect(await fixture.metric('hermes_broker_page_loads')).toBe(loads);
  // The subscription is as awake as before.
  await fixture.publishTexts('orders', ['d']);
  await subscriber.received(4);
  expect(await fixture.metric('hermes_broker_page_loads')).toBe(loads);
});
