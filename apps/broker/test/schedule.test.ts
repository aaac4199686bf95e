import { durationFromMs, fromServiceError, type Message, timestampFromMs } from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

let count = 0;

async function topicOf(fields: Parameters<BrokerFixture['topic']>[1] = {}): Promise<string> {
  count += 1;
  const topic = `schedule-${count}`;
  await fixture.topic(topic, fields);
  await fixture.group(topic, 'g');
  return topic;
}

const delay = (ms: number): Partial<Message> => ({ schedule: { $case: 'delay', value: durationFromMs(ms) } });
const at = (time: number): Partial<Message> => ({ schedule: { $case: 'deliverAt', value: timestampFromMs(time) } });

/** Publishes and gives the schedules' ids, or message ids. */
async function publish(topic: string, ...messages: Message[]): Promise<string[]> {
  const { results } = await fixture.publish({ topic, partition: 0, messages });
  return results.map(({ outcome }) =>
    outcome?.$case === 'scheduleId' || outcome?.$case === 'messageId' ? outcome.value : JSON.stringify(outcome),
  );
}

function cancel(scheduleId: string): Promise<string> {
  return new Promise((resolve) => {
    fixture.client.cancelSchedule({ scheduleId }, (error) => {
      resolve(error === null ? 'OK' : fromServiceError(error).code);
    });
  });
}

async function waiting(topic: string): Promise<number> {
  const lanes = await new Promise<readonly { scheduled: number }[]>((resolve) => {
    fixture.partitions.describeTopic({ topic }, (_, response) => {
      resolve(response.lanes);
    });
  });
  return lanes.reduce((sum, { scheduled }) => sum + scheduled, 0);
}

const count60 = 60;

describe('a message that waits for its time', () => {
  test('is delivered then, never early, in the order of the times; one whose time has passed comes at once', async () => {
    const topic = await topicOf();
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const startedMs = performance.now();
    const ids = await publish(
      topic,
      message('late', delay(600)),
      message('soon', delay(200)),
      message('past', at(Date.now() - 1_000)),
      message('now'),
    );
    expect(ids.map((id) => id.includes('~'))).toEqual([true, true, false, false]);
    expect(await waiting(topic)).toBe(2);
    await subscriber.received(3);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(199);
    await subscriber.received(4);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(599);
    expect(subscriber.texts).toEqual(['past', 'now', 'soon', 'late']);
    expect(await subscriber.settle(subscriber.deliveries)).toEqual(Array(4).fill('OK'));
    expect(await waiting(topic)).toBe(0);
  });

  test('is delivered as it was published: key, ref key, attributes, priority', async () => {
    const topic = await topicOf({ priorityLevels: 3 });
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const fields = { key: 'k', refKey: 'r', priority: 2, attributes: new Map([['a', 'b']]) };
    await publish(topic, message('x', { ...fields, ...delay(50) }));
    const [delivery] = await subscriber.received(1);
    expect(delivery).toMatchObject({ lane: 2, message: { ...fields, schedule: { $case: 'delay' } } });
  });

  test('can be withdrawn until then, once', async () => {
    const topic = await topicOf();
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    const [gone = '', kept = ''] = await publish(topic, message('gone', delay(400)), message('kept', delay(400)));
    expect(await cancel(gone)).toBe('OK');
    expect(await cancel(gone)).toBe('SCHEDULE_NOT_FOUND');
    await subscriber.received(1);
    expect(await cancel(kept)).toBe('SCHEDULE_NOT_FOUND');
    await fixture.publishTexts(topic, ['after']);
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['kept', 'after']);
    expect(await cancel('nonsense')).toBe('INVALID_FIELD');
    expect(await cancel(`${topic}~0~999`)).toBe('SCHEDULE_NOT_FOUND');
    expect(await cancel(`nothing~0~1`)).toBe('TOPIC_NOT_FOUND');
  });

  test('survives a restart: what became due meanwhile comes at once, the rest in its time, each once', async () => {
    const topic = await topicOf();
    await publish(topic, message('due meanwhile', delay(50)), message('later', delay(1_500)));
    await fixture.restartBroker(topic);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await subscriber.received(2);
    expect(subscriber.texts).toEqual(['due meanwhile', 'later']);
    expect(await waiting(topic)).toBe(0);
    await fixture.restartBroker(topic);
    const again = await fixture.subscribe({ topic, group: 'g' }).opened();
    await again.received(2);
    await fixture.publishTexts(topic, ['after']);
    await again.received(3);
    expect(again.texts).toEqual(['due meanwhile', 'later', 'after']);
  });

  test('may be one of thousands, most of them far away: nothing is late, nothing is lost', async () => {
    const topic = await topicOf();
    const far = Array.from({ length: 500 }, (_, nth) => message(`far ${nth}`, delay(3_600_000 + nth)));
    for (let batch = 0; batch < 4; batch += 1) {
      await publish(topic, ...far);
    }
    const near = Array.from({ length: count60 }, (_, nth) => message(`near ${nth}`, delay(300 + 5 * (count60 - nth))));
    await publish(topic, ...near);
    expect(await waiting(topic)).toBe(2_000 + count60);
    await fixture.restartBroker(topic);
    const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
    await subscriber.received(count60);
    expect(new Set(subscriber.texts).size).toBe(count60);
    await eventually(async () => {
      expect(await waiting(topic)).toBe(2_000);
    });
  });

  test('that cannot be stored is refused alone', async () => {
    const topic = await topicOf();
    const { results } = await fixture.publish({
      topic,
      messages: [message('a', { ...delay(100), priority: 1 }), message('b', delay(100))],
    });
    expect(results.map(({ outcome }) => outcome?.$case)).toEqual(['error', 'scheduleId']);
  });
});
