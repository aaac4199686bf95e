import { durationFromMs, GroupMode, Outcome } from '@hermes/contracts';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

const LEVELS = 3;
const EACH = 100;

describe('a topic with three priority levels', () => {
  test('takes urgent messages first, starves no lane, and refuses a priority that it has not', async () => {
    const topic = 'priority-share';
    await fixture.topic(topic, { priorityLevels: LEVELS });
    await fixture.group(topic, 'g', { mode: GroupMode.SHARED });
    for (let priority = 0; priority < LEVELS; priority += 1) {
      const messages = Array.from({ length: EACH }, (_, n) => message(`${priority}/${n}`, { priority }));
      await fixture.publish({ topic, messages });
    }
    const { results } = await fixture.publish({ topic, messages: [message('too urgent', { priority: LEVELS })] });
    expect(results[0]?.outcome).toMatchObject({ $case: 'error' });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const deliveries = await subscriber.received(LEVELS * EACH);
    expect(deliveries.slice(0, 7).map(({ lane }) => lane)).toEqual([2, 2, 2, 2, 1, 1, 0]);
    for (let lane = 0; lane < LEVELS; lane += 1) {
      const offsets = deliveries.filter((delivery) => delivery.lane === lane).map(({ offset }) => offset);
      // The fence of the opening is each lane's record 0.
      expect(offsets).toEqual(Array.from({ length: EACH }, (_, nth) => 1 + nth));
    }
    expect(await subscriber.settle(deliveries)).toEqual(Array(LEVELS * EACH).fill('OK'));
  });

  test('keeps a retry in its lane, through a restart too', async () => {
    const topic = 'priority-retry';
    await fixture.topic(topic, { priorityLevels: LEVELS });
    await fixture.group(topic, 'g');
    await fixture.publishTexts(topic, ['urgent'], { priority: 2 });
    const first = await fixture.subscribe({ topic, group: 'g' }).opened();
    await first.settle(await first.received(1), { outcome: Outcome.NACK, delay: durationFromMs(10) });
    const [, second] = await first.received(2);
    expect(second).toMatchObject({ lane: 2, attempt: 2 });
    await first.settle([second!], { outcome: Outcome.NACK, delay: durationFromMs(10) });
    await fixture.restartBroker(topic);
    const later = await fixture.subscribe({ topic, group: 'g' }).opened();
    expect((await later.received(1))[0]).toMatchObject({ lane: 2, attempt: 3 });
  });

  test('never has two messages of one key in flight, whatever their lanes', async () => {
    const topic = 'priority-keys';
    await fixture.topic(topic, { priorityLevels: LEVELS });
    await fixture.group(topic, 'g');
    for (const priority of [0, 1, 2]) {
      await fixture.publishTexts(topic, [`a${priority}`, `a${priority} again`], { key: 'a', priority });
    }
    await fixture.publishTexts(topic, ['b'], { key: 'b' });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    for (let nth = 1; nth <= 6; nth += 1) {
      // One of the key, and the one without a rival.
      const deliveries = await subscriber.received(nth + 1);
      expect(deliveries).toHaveLength(nth + 1);
      const ofKey = deliveries.filter(({ message: each }) => each?.key === 'a');
      expect(await subscriber.settle(ofKey.slice(-1))).toEqual(['OK']);
    }
    expect([...subscriber.texts].sort()).toEqual(['a0', 'a0 again', 'a1', 'a1 again', 'a2', 'a2 again', 'b']);
  });
});
