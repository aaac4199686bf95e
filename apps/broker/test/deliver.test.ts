import { GroupMode } from '@hermes/contracts';
import { BrokerFixture } from './broker-fixture.js';

describe('publish, deliver, acknowledge', () => {
  const fixture = new BrokerFixture();
  beforeAll(() => fixture.start());
  afterAll(() => fixture.stop());

  test.each([
    ['KEY_ORDERED', GroupMode.KEY_ORDERED],
    ['SHARED', GroupMode.SHARED],
  ])('a %s group gets each message once and settles it', async (name, mode) => {
    const topic = `t-${name}`;
    await fixture.topic(topic);
    await fixture.group(topic, 'g', { mode });
    const ids = await fixture.publishTexts(topic, ['a', 'b', 'c']);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const deliveries = await subscriber.received(3);
    expect(ids).toEqual(subscriber.offsets.map((offset) => `${topic}/0/0/${offset}`));
    expect(subscriber.texts).toEqual(['a', 'b', 'c']);
    expect(await subscriber.settle(deliveries)).toEqual(['OK', 'OK', 'OK']);
    await fixture.publishTexts(topic, ['d']);
    await subscriber.received(4);
    expect(subscriber.texts).toEqual(['a', 'b', 'c', 'd']);
  });
});
