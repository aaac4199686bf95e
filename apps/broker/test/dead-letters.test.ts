import {
  DeadLetterCause,
  durationFromMs,
  GroupMode,
  type ListDeadLettersResponse,
  Outcome,
  type RedriveDeadLettersRequest,
} from '@hermes/contracts';
import { answered, BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

let count = 0;

/** A topic with a group that has given these up, each once. */
async function buried(texts: readonly string[], partitions = 1) {
  count += 1;
  const topic = `dead-${count}`;
  await fixture.topic(topic, { partitions });
  await fixture.group(topic, 'g', { retry: { kind: { $case: 'none', value: {} } } });
  await fixture.group(topic, 'other');
  const ids: string[] = [];
  for (const [nth, text] of texts.entries()) {
    const fields = { key: text, attributes: new Map([['nth', String(nth)]]) };
    const { results } = await fixture.publish({
      topic,
      partition: nth % partitions,
      messages: [message(text, fields)],
    });
    ids.push(results[0]?.outcome?.$case === 'messageId' ? results[0].outcome.value : '');
  }
  const subscriber = await fixture.subscribe({ topic, group: 'g' }).opened();
  const deliveries = await subscriber.received(texts.length);
  await subscriber.settle(deliveries, { outcome: Outcome.NACK, reason: 'no use' });
  return { topic, ids, subscriber, who: { topic, group: 'g' } };
}

const list = fixture.listDeadLetters.bind(fixture);
type Selection = Partial<RedriveDeadLettersRequest> & { topic: string; group: string };
const selection = (request: Selection) => ({ messageIds: [], filter: '', all: false, ...request });
const redrive = (request: Selection) =>
  answered<{ count: number; remaining: number }>((done) =>
    fixture.partitions.redriveDeadLetters(selection(request), done),
  );
const discard = (request: Selection) =>
  answered<{ count: number; remaining: number }>((done) =>
    fixture.partitions.discardDeadLetters(selection(request), done),
  );

const bodies = ({ deadLetters }: ListDeadLettersResponse) =>
  deadLetters.map(({ message: each }) => Buffer.from(each?.body ?? []).toString());

describe('dead letters', () => {
  test('are listed with their message, attempts, cause and reason', async () => {
    const { ids, who, subscriber } = await buried(['a']);
    await fixture.publishTexts(who.topic, ['b'], { priority: 0 });
    const [, second] = await subscriber.received(2);
    await subscriber.settle([second!], { outcome: Outcome.DEAD_LETTER, reason: 'given up' });
    const { deadLetters, nextPageToken } = await list(who);
    expect(nextPageToken).toBe('');
    expect(deadLetters).toMatchObject([
      { messageId: ids[0], attempts: 1, cause: DeadLetterCause.ATTEMPTS, reason: 'no use', message: { key: 'a' } },
      { attempts: 1, cause: DeadLetterCause.CONSUMER, reason: 'given up', message: { body: Buffer.from('b') } },
    ]);
    expect(deadLetters[0]?.diedAt).toBeDefined();
  });

  test('are listed page by page over all partitions, and by filter', async () => {
    const { who } = await buried(['a', 'b', 'c', 'd', 'e'], 2);
    const found: string[] = [];
    let pages = 0;
    for (let pageToken = ''; pages === 0 || pageToken !== ''; pages += 1) {
      const page = await list({ ...who, pageSize: 2, pageToken });
      found.push(...bodies(page));
      pageToken = page.nextPageToken;
    }
    expect(found).toEqual(['a', 'c', 'e', 'b', 'd']);
    expect(pages).toBeLessThanOrEqual(4);
    expect(bodies(await list({ ...who, filter: 'key in ["b", "e"]' }))).toEqual(['e']);
    expect(bodies(await list({ ...who, filter: 'key == "d"' }))).toEqual(['d']);
  });

  test('are redriven as attempt 1, to that group alone; what is left is told', async () => {
    const { ids, who, subscriber } = await buried(['a', 'b', 'c']);
    const other = await fixture.subscribe({ ...who, group: 'other' }).opened();
    await other.settle(await other.received(3));
    expect(await redrive({ ...who, messageIds: [ids[1]!, ids[1]!] })).toEqual({ count: 1, remaining: 0 });
    const again = (await subscriber.received(4))[3];
    expect(again).toMatchObject({ attempt: 1, redelivered: true, message: { key: 'b' } });
    expect(await redrive({ ...who, messageIds: [ids[1]!] })).toEqual({ count: 0, remaining: 0 });
    expect(await subscriber.settle([again!])).toEqual(['OK']);
    expect(bodies(await list(who))).toEqual(['a', 'c']);
    expect(await redrive({ ...who, filter: 'attributes["nth"] == "2"' })).toEqual({ count: 1, remaining: 0 });
    expect(await redrive({ ...who, all: true })).toEqual({ count: 1, remaining: 0 });
    const rest = (await subscriber.received(6)).slice(4);
    expect(rest.map(({ message: each }) => each?.key)).toEqual(['c', 'a']);
    expect(await subscriber.settle(rest)).toEqual(['OK', 'OK']);
    expect(other.texts).toEqual(['a', 'b', 'c']);
    const { lanes } = await fixture.describeGroup(who.topic, 'g');
    expect(lanes).toMatchObject([{ lag: 0, retrying: 0, deadLetters: 0 }]);
  });

  test('die again, and survive a restart before and after they are redriven', async () => {
    const { who, ids } = await buried(['a', 'b']);
    await fixture.restartBroker(who.topic);
    expect(bodies(await list(who))).toEqual(['a', 'b']);
    await redrive({ ...who, messageIds: [ids[0]!] });
    await fixture.restartBroker(who.topic);
    const subscriber = await fixture.subscribe(who).opened();
    const [again] = await subscriber.received(1);
    expect(again).toMatchObject({ attempt: 1, message: { key: 'a' } });
    await subscriber.settle([again!], { outcome: Outcome.NACK, reason: 'still no use' });
    expect((await list(who)).deadLetters).toMatchObject([{ reason: 'still no use' }, { reason: 'no use' }]);
  });

  test('a receipt of a message’s former life is stale', async () => {
    const { who, subscriber } = await buried(['a']);
    const [former] = subscriber.deliveries;
    await redrive({ ...who, all: true });
    await subscriber.received(2);
    expect(await subscriber.settle([former!])).toEqual(['STALE_DELIVERY']);
    expect(await subscriber.settle(subscriber.deliveries.slice(1))).toEqual(['OK']);
  });

  test('a late ACK of one is stale, also at the next owner; of what was acknowledged it is not', async () => {
    const { who, subscriber } = await buried(['a']);
    await fixture.publishTexts(who.topic, ['b']);
    const deliveries = await subscriber.received(2);
    expect(await subscriber.settle(deliveries)).toEqual(['STALE_DELIVERY', 'OK']);
    await fixture.restartBroker(who.topic);
    expect(await subscriber.settle(deliveries)).toEqual(['STALE_DELIVERY', 'OK']);
  });

  test('are discarded', async () => {
    const { who, ids } = await buried(['a', 'b', 'c']);
    expect(await discard({ ...who, messageIds: [ids[0]!] })).toEqual({ count: 1, remaining: 0 });
    expect(await discard({ ...who, filter: 'key == "c"' })).toEqual({ count: 1, remaining: 0 });
    expect(bodies(await list(who))).toEqual(['b']);
    expect(await discard({ ...who, all: true })).toEqual({ count: 1, remaining: 0 });
    expect(bodies(await list(who))).toEqual([]);
  });

  test('bad selections and pages are refused', async () => {
    const { who } = await buried(['a']);
    const invalid = { code: 'INVALID_FIELD' };
    await expect(redrive(who)).rejects.toMatchObject(invalid);
    await expect(redrive({ ...who, all: true, filter: 'key == "a"' })).rejects.toMatchObject(invalid);
    await expect(redrive({ ...who, messageIds: ['a'] })).rejects.toMatchObject(invalid);
    await expect(redrive({ ...who, messageIds: ['other/0/0/1'] })).rejects.toMatchObject(invalid);
    await expect(redrive({ ...who, filter: 'nonsense' })).rejects.toMatchObject(invalid);
    await expect(list({ ...who, pageSize: 0 })).rejects.toMatchObject(invalid);
    await expect(list({ ...who, pageToken: 'x' })).rejects.toMatchObject(invalid);
    await expect(list({ ...who, group: 'none' })).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });

  test('a redriven message waits its turn in an EXCLUSIVE lane, and lets nothing pass while it fails', async () => {
    count += 1;
    const topic = `dead-${count}`;
    await fixture.topic(topic);
    const retry = {
      kind: { $case: 'fixed' as const, value: { delay: durationFromMs(20) } },
      maxAttempts: 2,
    };
    await fixture.group(topic, 'g', { mode: GroupMode.EXCLUSIVE, retry });
    await fixture.publishTexts(topic, ['a', 'b', 'c']);
    const subscriber = await fixture
      .subscribe({ topic, group: 'g', claims: [{ partition: 0, consumerEpoch: 1 }] })
      .opened();
    const [a] = await subscriber.received(3);
    await subscriber.settle([a!], { outcome: Outcome.DEAD_LETTER });
    expect(await redrive({ topic, group: 'g', all: true })).toEqual({ count: 1, remaining: 0 });
    const again = (await subscriber.received(4))[3]!;
    expect(again).toMatchObject({ attempt: 1, offset: a?.offset });
    await subscriber.settle([again], { outcome: Outcome.NACK });
    const rest = (await subscriber.received(5)).slice(4);
    expect(rest).toMatchObject([{ attempt: 2, offset: a?.offset }]);
    await subscriber.settle(rest);
    const last = (await subscriber.received(7)).slice(5);
    expect(last.map(({ offset }) => offset)).toEqual([a!.offset + 1, a!.offset + 2]);
    expect(await subscriber.settle(last)).toEqual(['OK', 'OK']);
  });
});
