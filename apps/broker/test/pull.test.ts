import { setTimeout as sleep } from 'node:timers/promises';
import { type CallOptions, Metadata } from '@grpc/grpc-js';
import {
  type Delivery,
  durationFromMs,
  fromServiceError,
  GroupMode,
  Outcome,
  type PullRequest,
  type PullResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(() => fixture.start());
afterAll(() => fixture.stop());

jest.setTimeout(20_000);
const SOON_MS = 20;
const SOON = { outcome: Outcome.NACK, delay: durationFromMs(SOON_MS) };
const WAIT = durationFromMs(10_000);

let count = 0;

/** A topic of its own with one group, and what its consumer c1 may do. */
async function pulledTopic(fields: Parameters<BrokerFixture['topic']>[1] = {}, mode = GroupMode.KEY_ORDERED) {
  count += 1;
  const topic = `pull-${count}`;
  await fixture.topic(topic, fields);
  await fixture.group(topic, 'g', { mode });
  const who = { topic, group: 'g', consumer: 'c1' };
  const start = (request: Partial<PullRequest> = {}, options: CallOptions = { deadline: Date.now() + 15_000 }) => {
    let cancel!: () => void;
    const answer = new Promise<Delivery[]>((resolve, reject) => {
      const full = { ...who, claims: [], ...request };
      const call = fixture.client.pull(full, new Metadata(), options, (error, response: PullResponse | undefined) => {
        if (error === null) {
          resolve(response?.deliveries ?? []);
        } else {
          reject(fromServiceError(error));
        }
      });
      cancel = () => {
        call.cancel();
      };
    });
    return { answer, cancel };
  };
  const pull = (request?: Partial<PullRequest>, options?: CallOptions) => start(request, options).answer;
  const settle = (deliveries: readonly Delivery[], outcome: object = {}) =>
    fixture.settle(
      deliveries.map(({ receipt }) => ({ receipt, ...outcome })),
      who,
    );
  return { topic, who, start, pull, settle };
}

const texts = (deliveries: readonly Delivery[]) =>
  deliveries.map(({ message }) => Buffer.from(message?.body ?? []).toString());

describe('Pull', () => {
  test('of a group with nothing to deliver answers with nothing: at once, and after its wait', async () => {
    const { pull, topic } = await pulledTopic();
    expect(await pull()).toEqual([]);
    expect(await pull({ wait: durationFromMs(50), maxMessages: 10 })).toEqual([]);
    expect((await fixture.describeGroup(topic, 'g')).consumers).toEqual([]);
  });

  test('waits for the first message, and comes back with it at once', async () => {
    const { pull, topic } = await pulledTopic();
    const answer = pull({ wait: WAIT, maxMessages: 10 });
    await fixture.publishTexts(topic, ['a']);
    expect(texts(await answer)).toEqual(['a']);
  });

  test('gets one unless it asks for more, and then all that are there, up to its maximum', async () => {
    const { pull, topic, settle } = await pulledTopic();
    await fixture.publishTexts(topic, ['a', 'b', 'c', 'd', 'e', 'f']);
    const pulls = [await pull(), await pull({ maxMessages: 3, wait: WAIT }), await pull({ maxMessages: 10 })];
    expect(pulls.map(texts)).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f']]);
    expect(await settle(pulls.flat())).toEqual(Array(6).fill('OK'));
    const { lanes } = await fixture.describeGroup(topic, 'g');
    expect(lanes).toMatchObject([{ inFlight: 0, lag: 0 }]);
  });

  test('is acknowledged late, twice, and in another order than delivered', async () => {
    const { pull, topic, settle } = await pulledTopic({}, GroupMode.SHARED);
    await fixture.publishTexts(topic, ['a', 'b', 'c']);
    const deliveries = await pull({ maxMessages: 3, ackDeadline: durationFromMs(1_000) });
    const reversed = [...deliveries].reverse();
    expect(await settle(reversed.slice(0, 2))).toEqual(['OK', 'OK']);
    expect(await settle(reversed.slice(0, 2))).toEqual(['OK', 'OK']);
    const again = await pull({ wait: WAIT });
    expect(again).toMatchObject([{ attempt: 2, redelivered: true }]);
    expect(texts(again)).toEqual(['a']);
    expect(await settle(reversed.slice(2))).toEqual(['STALE_DELIVERY']);
    expect(await settle(again)).toEqual(['OK']);
  });

  test('gives a message that was refused in the middle again, after its delay', async () => {
    const { pull, topic, settle } = await pulledTopic({}, GroupMode.SHARED);
    await fixture.publishTexts(topic, ['a', 'b', 'c']);
    const [first, middle, last] = await pull({ maxMessages: 3 });
    expect(await settle([middle!], SOON)).toEqual(['OK']);
    expect(await settle([last!, first!])).toEqual(['OK', 'OK']);
    const again = await pull({ maxMessages: 3, wait: WAIT });
    expect(texts(again)).toEqual(['b']);
    expect(again).toMatchObject([{ attempt: 2 }]);
    expect(await settle(again)).toEqual(['OK']);
    expect(await pull({ maxMessages: 3 })).toEqual([]);
  });

  test('mixes priorities and retries in one answer', async () => {
    const { pull, topic, settle } = await pulledTopic({ priorityLevels: 2 }, GroupMode.SHARED);
    await fixture.publishTexts(topic, ['low 1', 'low 2']);
    await fixture.publishTexts(topic, ['high 1'], { priority: 1 });
    const before = await pull({ maxMessages: 3 });
    expect(texts(before)).toEqual(['high 1', 'low 1', 'low 2']);
    expect(await settle(before.slice(0, 2), SOON)).toEqual(['OK', 'OK']);
    await fixture.publishTexts(topic, ['high 2'], { priority: 1 });
    await sleep(2 * SOON_MS);
    const after = await pull({ maxMessages: 10 });
    expect(texts(after).sort()).toEqual(['high 1', 'high 2', 'low 1']);
    expect(after.map(({ lane, attempt }) => `${lane}/${attempt}`).sort()).toEqual(['0/2', '1/1', '1/2']);
    expect(await settle([...after, before[2]!])).toEqual(Array(4).fill('OK'));
  });

  test('of a caller that went away gives back what it would have got', async () => {
    const { start, pull, topic } = await pulledTopic();
    const { answer, cancel } = start({ wait: WAIT });
    await eventually(async () => {
      expect((await fixture.describeGroup(topic, 'g')).consumers).toMatchObject([{ consumer: 'c1' }]);
    });
    cancel();
    await expect(answer).rejects.toThrow('Cancelled');
    await fixture.publishTexts(topic, ['a']);
    expect(texts(await pull({ wait: WAIT, consumer: 'c2' }))).toEqual(['a']);
  });

  test('answers before the deadline of its call', async () => {
    const { pull } = await pulledTopic();
    expect(await pull({ wait: WAIT }, { deadline: Date.now() + 400 })).toEqual([]);
  });

  test('of several consumers, and of one consumer several at once, share a group', async () => {
    const { pull, topic } = await pulledTopic({}, GroupMode.SHARED);
    const pulls = [pull({ wait: WAIT }), pull({ wait: WAIT }), pull({ wait: WAIT, consumer: 'c2' })];
    await fixture.publishTexts(topic, ['a', 'b', 'c']);
    expect((await Promise.all(pulls)).flatMap(texts).sort()).toEqual(['a', 'b', 'c']);
  });

  test('of an EXCLUSIVE group goes by its leases: of one holder in order, and a newer one fences it', async () => {
    const { pull, topic, settle } = await pulledTopic({}, GroupMode.EXCLUSIVE);
    await fixture.publishTexts(topic, ['a', 'b', 'c']);
    await expect(pull()).rejects.toMatchObject({ code: 'INVALID_FIELD', violations: [{ field: 'claims' }] });
    const claims = [{ partition: 0, consumerEpoch: 1 }];
    const mine = [await pull({ claims }), await pull({ claims })].flat();
    expect(texts(mine)).toEqual(['a', 'b']);
    expect(new Set(mine.map(({ fencingToken }) => fencingToken)).size).toBe(1);
    expect(await settle(mine.slice(0, 1))).toEqual(['OK']);
    const theirs = await pull({ claims: [{ partition: 0, consumerEpoch: 2 }], consumer: 'c2', maxMessages: 3 });
    expect(texts(theirs)).toEqual(['b', 'c']);
    expect(theirs[0]!.fencingToken).toBeGreaterThan(mine[0]!.fencingToken);
    expect(await settle(mine.slice(1))).toEqual(['FENCED']);
    await expect(pull({ claims })).rejects.toMatchObject({ code: 'FENCED' });
  });

  test.each<[string, Partial<PullRequest>, object]>([
    ['no topic', { topic: '' }, { field: 'topic' }],
    ['no group', { group: '' }, { field: 'group' }],
    ['no consumer', { consumer: '' }, { field: 'consumer' }],
    ['no message', { maxMessages: 0 }, { field: 'max_messages', description: '1 to 1000' }],
    ['too many messages', { maxMessages: 1_001 }, { field: 'max_messages', description: '1 to 1000' }],
    ['a long wait', { wait: durationFromMs(30_001) }, { field: 'wait' }],
    ['a negative wait', { wait: durationFromMs(-1) }, { field: 'wait' }],
    ['a short deadline', { ackDeadline: durationFromMs(999) }, { field: 'ack_deadline' }],
    [
      'a partition twice',
      { claims: [0, 0].map((partition) => ({ partition, consumerEpoch: 1 })) },
      { field: 'claims' },
    ],
  ])('with %s is refused', async (_, request, violation) => {
    const { pull } = await pulledTopic();
    await expect(pull(request)).rejects.toMatchObject({ code: 'INVALID_FIELD', violations: [violation] });
  });

  test('of what is not there is refused', async () => {
    const { pull } = await pulledTopic();
    await expect(pull({ topic: 'nothing' })).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
    await expect(pull({ group: 'nothing' })).rejects.toMatchObject({ code: 'GROUP_NOT_FOUND' });
  });
});
