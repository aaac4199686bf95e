import { GroupMode } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

const tagged = (tag: string, text = tag) => message(text, { attributes: new Map([['tag', tag]]) });

describe('a group with a filter', () => {
  test.each(['tag~a*', 'attributes["tag"].startsWith("a")'])(
    '%s gets what it wants, and lags behind nothing',
    async (filter) => {
      const topic = `filter-${filter.length}`;
      await fixture.topic(topic);
      await fixture.group(topic, 'g', { filter });
      await fixture.group(topic, 'all');
      await fixture.publish({ topic, messages: ['a1', 'b1', 'A1', 'a2', 'b2'].map((tag) => tagged(tag)) });
      const some = await fixture.subscribe({ topic, group: 'g' }).opened();
      const all = await fixture.subscribe({ topic, group: 'all' }).opened();
      await all.received(5);
      expect(await some.settle(await some.received(2))).toEqual(['OK', 'OK']);
      expect(some.texts).toEqual(['a1', 'a2']);
      await eventually(async () => {
        expect((await fixture.describeGroup(topic, 'g')).lanes).toMatchObject([{ lag: 0, floor: 6 }]);
      });
    },
  );

  test('stores its progress over 10,000 messages that it does not want: they are not looked at again', async () => {
    const topic = 'filter-all';
    await fixture.topic(topic);
    await fixture.group(topic, 'g', { filter: 'key == "wanted"' });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    for (let batch = 0; batch < 10; batch += 1) {
      await fixture.publish({ topic, messages: Array.from({ length: 1_000 }, (_, n) => message(`${n}`)) });
    }
    const progress = async () => (await fixture.describeGroup(topic, 'g')).lanes[0]?.floor ?? 0;
    await eventually(async () => {
      // The fence of the opening is record 0.
      expect(await progress()).toBe(10_001);
    });
    await fixture.restartBroker(topic);
    expect(subscriber.deliveries).toEqual([]);
    expect(await progress()).toBeGreaterThan(9_000);
  });

  test('that is changed holds for what comes then', async () => {
    const topic = 'filter-changed';
    await fixture.topic(topic);
    await fixture.group(topic, 'g', { filter: 'tag~a*', mode: GroupMode.SHARED });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await fixture.publish({ topic, messages: [tagged('a'), tagged('b')] });
    await subscriber.received(1);
    await fixture.group(topic, 'g', { filter: 'tag~b*', mode: GroupMode.SHARED });
    await fixture.publish({ topic, messages: [tagged('a', 'a later'), tagged('b', 'b later')] });
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['a', 'b later']);
  });
});
