import { type Delivery, durationFromMs, GroupMode, Outcome, type SubscribeRequest } from '@hermes/contracts';
import { eventually, type EventuallyOptions } from '@hermes/testing';
import { BrokerFixture, message, type TestSubscriber } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

/** Time to give a broken stream up, and some. */
const GIVEN_UP: EventuallyOptions = { deadlineMs: 20_000 };

let topics = 0;
/** A topic of its own with a group, and how its consumers subscribe. */
async function setup(fields: Parameters<BrokerFixture['group']>[2] = {}, partitions = 1) {
  const topic = `resumed-${(topics += 1)}`;
  await fixture.topic(topic, { partitions });
  await fixture.group(topic, 'g', { mode: GroupMode.SHARED, ...fields });
  const subscribe = (request: Partial<SubscribeRequest> = {}) =>
    fixture.subscribe({ topic, group: 'g', ...request }).opened();
  return { topic, subscribe };
}

/** Publishes texts one by one, so that each comes in a batch of its own. */
async function publishEach(topic: string, subscriber: TestSubscriber, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    const { length } = subscriber.deliveries;
    await fixture.publishTexts(topic, [text]);
    await subscriber.received(length + 1);
  }
}

const resumeOf = ({ accepted }: TestSubscriber, lastBatch: number): Partial<SubscribeRequest> => ({
  resume: { subscriptionId: accepted?.subscriptionId ?? Buffer.alloc(0), lastBatch },
});
const receipts = (deliveries: readonly Delivery[]): string[] =>
  deliveries.map(({ receipt }) => receipt.toString('hex'));
const textOf = ({ message }: Delivery): string => Buffer.from(message?.body ?? []).toString();

describe('a broken stream', () => {
  test('is resumed: what came stays, later batches come again with the same receipts, then what is new', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a', 'b', 'c', 'd']);
    first.cancel();
    await fixture.publishTexts(topic, ['e']);
    const second = await subscribe(resumeOf(first, 2));
    await second.received(3);
    expect(second.accepted).toMatchObject({ resumed: true, subscriptionId: first.accepted?.subscriptionId });
    expect(second.texts).toEqual(['c', 'd', 'e']);
    expect(receipts(second.deliveries.slice(0, 2))).toEqual(receipts(first.deliveries.slice(2)));
    expect(second.deliveries.map(({ attempt, redelivered }) => [attempt, redelivered])).toEqual([
      ...[1, 2].map(() => [1, true]),
      [1, false],
    ]);
    expect(second.batches[0]).toBe(3);
    expect(await second.settle([...first.deliveries.slice(0, 2), ...second.deliveries])).toEqual(Array(5).fill('OK'));
    second.cancel();
  });

  test('may break again, and again', async () => {
    const { topic, subscribe } = await setup();
    let stream = await subscribe();
    await publishEach(topic, stream, ['a', 'b', 'c']);
    const given = receipts(stream.deliveries);
    for (let round = 0; round < 5; round += 1) {
      stream.cancel();
      const next = await subscribe(resumeOf(stream, 1));
      await next.received(2);
      expect(receipts(next.deliveries)).toEqual(given.slice(1));
      stream = next;
    }
    stream.cancel();
  });

  test('that was full is resumed: what had not been sent yet comes too, each message once, in order', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    first.pause();
    const texts = Array.from({ length: 100 }, (_, nth) => String(nth).padEnd(100_000, '.'));
    for (const text of texts) {
      await fixture.publishTexts(topic, [text]);
    }
    first.cancel();
    const second = await subscribe(resumeOf(first, first.batches.length));
    await second.received(texts.length - first.deliveries.length);
    expect([...first.texts, ...second.texts]).toEqual(texts);
    second.cancel();
  });

  test('is taken over while it is still open', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a', 'b']);
    const second = await subscribe(resumeOf(first, 1));
    await first.failed('FENCED');
    await second.received(1);
    expect(second.texts).toEqual(['b']);
    second.cancel();
  });

  test('is resumed with more credit', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe({ maxInFlightMessages: 1 });
    await publishEach(topic, first, ['a']);
    await fixture.publishTexts(topic, ['b', 'c']);
    const second = await subscribe({ ...resumeOf(first, 1), maxInFlightMessages: 2 });
    await second.received(1);
    expect(second.texts).toEqual(['b']);
    await second.settle(first.deliveries);
    await second.received(2);
    second.cancel();
  });

  test('is resumed with other partitions: what is in flight in the others is for others, at once', async () => {
    const { topic, subscribe } = await setup({}, 2);
    const claims = [0, 1].map((partition) => ({ partition, consumerEpoch: 0 }));
    const first = await subscribe({ claims });
    for (const partition of [0, 1]) {
      await fixture.publish({ topic, partition, messages: [message(`in ${partition}`)] });
    }
    await first.received(2);
    first.cancel();
    const other = await subscribe({ consumer: 'other' });
    const second = await subscribe({ ...resumeOf(first, first.batches.length), claims: claims.slice(0, 1) });
    expect(second.accepted).toMatchObject({ resumed: true, partitions: [0] });
    await other.received(1);
    expect(other.texts).toEqual(['in 1']);
    const kept = first.deliveries.filter(({ partition }) => partition === 0);
    expect(await second.settle(kept)).toEqual(['OK']);
    second.cancel();
    other.cancel();
  });

  test('is left alone by a stream for partitions that it does not have', async () => {
    const { topic, subscribe } = await setup({}, 2);
    const claim = (partition: number) => ({ claims: [{ partition, consumerEpoch: 0 }] });
    const first = await subscribe(claim(0));
    const second = await subscribe({ ...resumeOf(first, 0), ...claim(1) });
    expect(second.accepted).toMatchObject({ resumed: false, partitions: [1] });
    await fixture.publish({ topic, partition: 0, messages: [message('a')] });
    await first.received(1);
    expect(first.error).toBeUndefined();
    first.cancel();
    second.cancel();
  });

  test('of an EXCLUSIVE group keeps its place', async () => {
    const { topic, subscribe } = await setup({ mode: GroupMode.EXCLUSIVE });
    const claims = [{ partition: 0, consumerEpoch: 7 }];
    const first = await subscribe({ claims });
    await publishEach(topic, first, ['a', 'b']);
    first.cancel();
    const second = await subscribe({ claims, ...resumeOf(first, 1) });
    await second.received(1);
    expect(second.texts).toEqual(['b']);
    expect(second.deliveries[0]?.fencingToken).toBe(first.deliveries[0]?.fencingToken);
    expect(await second.settle([...first.deliveries.slice(0, 1), ...second.deliveries])).toEqual(['OK', 'OK']);
    second.cancel();
  });

  test('cannot be resumed with what was never sent, nor as somebody else', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a']);
    first.cancel();
    await fixture.subscribe({ topic, group: 'g', ...resumeOf(first, 2) }).failed('INVALID_FIELD');
    const other = await subscribe({ consumer: 'other', ...resumeOf(first, 1) });
    expect(other.accepted).toMatchObject({ resumed: false });
    expect(other.accepted?.subscriptionId).not.toEqual(first.accepted?.subscriptionId);
    other.cancel();
    const unknown = await subscribe({ resume: { subscriptionId: Buffer.from('nobody'), lastBatch: 3 } });
    expect(unknown.accepted).toMatchObject({ resumed: false });
    unknown.cancel();
  });

  test('is given up after a while: then another consumer gets what it held, as the same attempt', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a', 'b']);
    first.cancel();
    const other = await subscribe({ consumer: 'other' });
    await eventually(() => {
      expect(other.deliveries.map((each) => [textOf(each), each.attempt])).toEqual([
        ['a', 1],
        ['b', 1],
      ]);
    }, GIVEN_UP);
    const late = await subscribe(resumeOf(first, 2));
    expect(late.accepted).toMatchObject({ resumed: false });
    expect(await first.settle(first.deliveries)).toEqual(Array(2).fill('STALE_DELIVERY'));
    other.cancel();
    late.cancel();
  });
});

describe('a partition that moves in good order', () => {
  /** Gives the partition up and takes it back, as another owner would. */
  async function move(topic: string): Promise<void> {
    const { length } = fixture.meta.released;
    fixture.meta.revoke(topic, 0);
    await eventually(() => fixture.meta.released.length > length);
    const { epoch } = fixture.meta.grant(topic, 0);
    await eventually(() => fixture.meta.isReady(topic, 0, epoch));
  }

  test('hands over what is in flight: the consumer resumes, and gets what it has missed and what is new', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a', 'b', 'c']);
    await first.settle(first.deliveries.slice(0, 1), { outcome: Outcome.NACK, delay: durationFromMs(60_000) });
    await move(topic);
    await first.failed('DRAINING');
    await fixture.publishTexts(topic, ['d']);
    const second = await subscribe(resumeOf(first, 2));
    expect(second.accepted).toMatchObject({ resumed: true });
    await second.received(2);
    expect(second.texts).toEqual(['c', 'd']);
    expect(receipts(second.deliveries.slice(0, 1))).toEqual(receipts(first.deliveries.slice(2)));
    expect(second.batches[0]).toBe(3);
    expect(await second.settle([...first.deliveries.slice(1, 2), ...second.deliveries])).toEqual(Array(3).fill('OK'));
    // And again, at an owner after that one.
    await publishEach(topic, second, ['e']);
    await move(topic);
    const third = await subscribe(resumeOf(second, second.batches.at(-1) ?? 0));
    expect(third.accepted).toMatchObject({ resumed: true });
    await publishEach(topic, third, ['f']);
    expect(third.texts).toEqual(['f']);
    expect(await third.settle(second.deliveries.slice(2))).toEqual(['OK']);
    third.cancel();
  });

  test('hands over what was handed over and nobody has come for', async () => {
    const { topic, subscribe } = await setup({ mode: GroupMode.KEY_ORDERED });
    const first = await subscribe();
    await publishEach(topic, first, ['a', 'b']);
    await move(topic);
    await move(topic);
    const other = await subscribe({ consumer: 'other' });
    await fixture.publishTexts(topic, ['c']);
    await other.received(1);
    expect(other.texts).toEqual(['c']);
    const second = await subscribe(resumeOf(first, 1));
    await second.received(1);
    expect(second.texts).toEqual(['b']);
    expect(await second.settle(first.deliveries)).toEqual(['OK', 'OK']);
    other.cancel();
    second.cancel();
  });

  test('settles what was handed over before its consumer is back, whatever the decision', async () => {
    const { topic, subscribe } = await setup({ mode: GroupMode.EXCLUSIVE });
    const claims = [{ partition: 0, consumerEpoch: 3 }];
    const first = await subscribe({ claims });
    await publishEach(topic, first, ['a', 'b', 'c']);
    await move(topic);
    expect(await first.settle(first.deliveries.slice(0, 1))).toEqual(['OK']);
    expect(
      await first.settle(first.deliveries.slice(1, 2), { outcome: Outcome.NACK, delay: durationFromMs(1) }),
    ).toEqual(['OK']);
    expect(await first.settle(first.deliveries.slice(2))).toEqual(['STALE_DELIVERY']);
    const second = await subscribe({ claims, ...resumeOf(first, 3) });
    await second.received(1);
    expect(second.deliveries.map((each) => [textOf(each), each.attempt])).toEqual([['b', 2]]);
    await second.settle(second.deliveries);
    await second.received(2);
    expect(second.texts).toEqual(['b', 'c']);
    expect(second.deliveries[1]?.attempt).toBe(1);
    second.cancel();
  });

  test('gives what was in flight to others when the consumer does not come for it, without a strike', async () => {
    const { topic, subscribe } = await setup();
    const first = await subscribe();
    await publishEach(topic, first, ['a']);
    await move(topic);
    const other = await subscribe({ consumer: 'other' });
    await eventually(() => {
      expect(other.deliveries.map((each) => [textOf(each), each.attempt])).toEqual([['a', 1]]);
    }, GIVEN_UP);
    await move(topic);
    const again = await subscribe({ consumer: 'other' });
    await again.received(1);
    expect(again.texts).toEqual(['a']);
    again.cancel();
  });
});

test('a message that kills its consumer becomes a dead letter, and its neighbours do not', async () => {
  const { topic, subscribe } = await setup({
    retry: { kind: { $case: 'fixed', value: { delay: durationFromMs(10) } }, maxAttempts: 2 },
  });
  const texts = ['a', 'b', 'poison', 'c', 'd'];
  await fixture.publishTexts(topic, texts);
  const done = new Set<string>();
  const isDead = async (): Promise<boolean> =>
    (await fixture.listDeadLetters({ topic, group: 'g' })).deadLetters.length > 0;
  // A consumer takes what it gets, in order, until the poison kills it; then another process takes its place.
  for (let lives = 0; !(await isDead()); lives += 1) {
    expect(lives).toBeLessThan(10);
    const consumer = await subscribe();
    await eventually(async () => {
      const next = consumer.deliveries.find((each) => !done.has(textOf(each)));
      if (next === undefined || textOf(next) === 'poison') {
        return next !== undefined || isDead();
      }
      expect(await consumer.settle([next])).toEqual(['OK']);
      done.add(textOf(next));
      return false;
    });
    consumer.cancel();
    await eventually(async () => (await fixture.metric('hermes_broker_subscriptions_open')) === 0);
  }
  expect([...done].sort()).toEqual(['a', 'b', 'c', 'd']);
  await eventually(async () => {
    const { deadLetters } = await fixture.listDeadLetters({ topic, group: 'g' });
    expect(deadLetters.map(({ attempts, reason }) => [attempts, reason])).toEqual([
      [2, 'its consumer was lost with it alone'],
    ]);
  });
});
