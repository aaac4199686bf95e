import {
  type DescribeTopicResponse,
  durationFromMs,
  type Message,
  type PublishResult,
  statusToError,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

jest.setTimeout(20_000);
const DELAY = durationFromMs(300);
const PRODUCER = 7;

let count = 0;

async function topicOf(settings: Parameters<BrokerFixture['topic']>[1] = {}): Promise<string> {
  count += 1;
  const topic = `idempotence-${count}`;
  await fixture.topic(topic, settings);
  return topic;
}

/** `message_id`, `schedule_id` or code, with what says that it is a repeat's. */
function outcomeOf({ outcome, duplicate }: PublishResult): string {
  const text = outcome?.$case === 'error' ? statusToError(outcome.value).code : (outcome?.value ?? 'none');
  return duplicate ? `${text} again` : text;
}

const lanesOf = (topic: string) =>
  new Promise<DescribeTopicResponse['lanes']>((resolve) => {
    fixture.partitions.describeTopic({ topic }, (_, { lanes }) => {
      resolve(lanes);
    });
  });

async function send(topic: string, firstSequence: number, messages: Message[], producerId = PRODUCER) {
  const { results } = await fixture.publish({ topic, partition: 0, producerId, firstSequence, messages });
  return results.map(outcomeOf);
}

async function sendKeyed(topic: string, ...keys: readonly [key: string, text: string][]) {
  const messages = keys.map(([idempotencyKey, text]) => message(text, { idempotencyKey }));
  return (await fixture.publish({ topic, messages })).results.map(outcomeOf);
}

const codeOf = (sent: Promise<unknown>): Promise<unknown> =>
  sent.then(
    () => 'OK',
    (error: unknown) => (error as { code: string }).code,
  );

describe('a numbered publish', () => {
  test('that comes again is counted', async () => {
    const topic = await topicOf();
    const repeated = () => fixture.metric('hermes_broker_repeated_publishes_total');
    const before = await repeated();
    await send(topic, 1, [message('a'), message('b')]);
    expect(await repeated()).toBe(before);
    await send(topic, 1, [message('a'), message('b'), message('c')]);
    expect(await repeated()).toBe(before + 2);
  });

  test('that comes again gets the first result, and is stored once', async () => {
    const topic = await topicOf();
    const texts = [message('a'), message('b')];
    const ids = [`${topic}/0/0/1`, `${topic}/0/0/2`];
    expect(await send(topic, 1, texts)).toEqual(ids);
    expect(await send(topic, 1, texts)).toEqual(ids.map((id) => `${id} again`));
    expect(await send(topic, 2, [message('b'), message('c')])).toEqual([`${ids[1]} again`, `${topic}/0/0/3`]);
    expect(await send(topic, 1, [message('a')], 8)).toEqual([`${topic}/0/0/4`]);
  });

  test('with another content is a conflict, out of its window refused; gaps may be filled', async () => {
    const topic = await topicOf();
    await expect(send(topic, 2, [message('x')])).resolves.toEqual(['OUT_OF_SEQUENCE']);
    await send(topic, 1, [message('a')]);
    expect(await send(topic, 1, [message('b')])).toEqual(['IDEMPOTENCY_CONFLICT']);
    expect(await send(topic, 2_000, [message('c')])).toEqual([`${topic}/0/0/2`]);
    expect(await send(topic, 976, [message('low'), message('next')])).toEqual(['OUT_OF_SEQUENCE', `${topic}/0/0/3`]);
    const { results } = await fixture.publish({
      ...{ topic, partition: 0, producerId: PRODUCER, firstSequence: 1, messages: [message('a')] },
    });
    const [outcome] = results.map((result) => result.outcome);
    expect(outcome?.$case === 'error' && statusToError(outcome.value).details).toEqual({ last: '2000' });
  });

  test('that was refused before is new', async () => {
    const topic = await topicOf();
    const bad = message('x', { priority: 1 });
    expect(await send(topic, 1, [message('a'), bad, message('c')])).toEqual([
      `${topic}/0/0/1`,
      'INVALID_FIELD',
      `${topic}/0/0/2`,
    ]);
    expect(await send(topic, 2, [message('b')])).toEqual([`${topic}/0/0/3`]);
  });

  test('waits for the first one that is under way', async () => {
    const topic = await topicOf();
    const sent = await Promise.all(Array.from({ length: 5 }, () => send(topic, 1, [message('a')])));
    expect(sent.flat().sort()).toEqual([`${topic}/0/0/1`, ...new Array<string>(4).fill(`${topic}/0/0/1 again`)]);
  });

  test('is known to the next owner, also one that is scheduled, and was since promoted', async () => {
    const topic = await topicOf();
    const due = message('due', { schedule: { $case: 'delay', value: DELAY } });
    const late = message('late', { schedule: { $case: 'delay', value: durationFromMs(600_000) } });
    const first = await send(topic, 1, [message('a'), due, late]);
    expect(first[0]).toBe(`${topic}/0/0/1`);
    await eventually(async () => {
      expect(await lanesOf(topic)).toMatchObject([{ nextOffset: 3, scheduled: 1 }]);
    });
    const again = first.map((outcome) => `${outcome} again`);
    for (let owner = 1; owner <= 3; owner += 1) {
      expect(await send(topic, 1, [message('a'), due, late])).toEqual(again);
      expect(await send(topic, 1, [message('b')])).toEqual(['IDEMPOTENCY_CONFLICT']);
      await fixture.restartBroker(topic);
    }
  });

  test('is known though retention has dropped it', async () => {
    const topic = await topicOf({ retentionAge: durationFromMs(1_000) });
    await send(topic, 1, [message('a'), message('the last one stays')]);
    await eventually(
      async () => {
        expect(await lanesOf(topic)).toMatchObject([{ firstOffset: 2 }]);
      },
      { deadlineMs: 10_000 },
    );
    await fixture.restartBroker(topic);
    expect(await send(topic, 1, [message('a')])).toEqual([`${topic}/0/0/1 again`]);
  });

  test.each<[string, Parameters<BrokerFixture['publish']>[0]]>([
    ['producer 0', { producerId: 0, firstSequence: 1, partition: 0 }],
    ['no partition', { producerId: PRODUCER, firstSequence: 1 }],
    ['no sequence', { producerId: PRODUCER, partition: 0 }],
    ['sequence 0', { producerId: PRODUCER, firstSequence: 0, partition: 0 }],
    ['a sequence beyond 2^52', { producerId: PRODUCER, firstSequence: 2 ** 52, partition: 0 }],
    ['no producer', { firstSequence: 1, partition: 0 }],
  ])('with %s is refused', async (_name, request) => {
    const topic = await topicOf();
    expect(await codeOf(fixture.publish({ topic, messages: [message('x')], ...request }))).toBe('INVALID_FIELD');
  });
});

describe('a publish with an idempotency key', () => {
  test('is stored once, in one request or several, also for the next owner', async () => {
    const topic = await topicOf({ partitions: 4 });
    const [first] = await sendKeyed(topic, ['k', 'a']);
    expect(await sendKeyed(topic, ['k', 'a'], ['l', 'a'], ['l', 'a'])).toEqual([
      `${first} again`,
      expect.stringMatching(/^idempotence.*\/[0-3]\/0\/\d+$/),
      expect.stringMatching(/ again$/),
    ]);
    expect(await sendKeyed(topic, ['k', 'b'])).toEqual(['IDEMPOTENCY_CONFLICT']);
    const other = await topicOf();
    const [one] = await sendKeyed(other, ['k', 'a']);
    await fixture.restartBroker(other);
    expect(await sendKeyed(other, ['k', 'a'])).toEqual([`${one} again`]);
  });
});
