import { Message, PublishResponse, type RawPublishRequest, statusToError } from '@hermes/contracts';
import { type AppendResult, StoreError } from '@hermes/log';
import { OwnershipFixture } from '../../test/ownership-fixture.js';
import { type Enqueue } from './publish-execution.js';
import { Publisher } from './publisher.js';

describe('the claims of a publish', () => {
  let fixture: OwnershipFixture;
  let publisher: Publisher;
  const request: RawPublishRequest = {
    ...{ topic: 'orders', partition: 0, producerId: 7, firstSequence: 1 },
    messages: [Message.encode(Message.fromPartial({ body: Buffer.from('a') })).finish()],
  };

  beforeEach(async () => {
    fixture = new OwnershipFixture();
    await fixture.start();
    fixture.meta.addTopic('orders');
    fixture.change({ opened: [fixture.assignment('orders', 1)] });
    await fixture.reported('ready orders/0@1 r1');
    publisher = new Publisher(fixture.ownership, { repeated: () => undefined });
  });
  afterEach(() => fixture.stop());

  const append: Enqueue = ({ lane, records }) => lane.appender.append(records, Infinity);
  const answering =
    (result: AppendResult): Enqueue =>
    () =>
      Promise.resolve(result);
  /** What one request comes to: its only result, or the code of its failure. */
  const outcome = async (enqueue: Enqueue): Promise<string> => {
    try {
      const plan = await publisher.plan(request);
      const { response } = await publisher.execute(plan, enqueue);
      const [result] = PublishResponse.decode(response).results;
      const text = result?.outcome?.$case === 'error' ? statusToError(result.outcome.value).code : 'stored';
      return result?.duplicate === true ? `${text} again` : text;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('end with a failure: what comes next is new, and who waited is told to try again', async () => {
    const refusing = answering({ kind: 'backpressure', retryAfterMs: 1 });
    const first = outcome(refusing);
    const waiting = outcome(append);
    expect(await Promise.all([first, waiting])).toEqual(['BACKPRESSURE', 'BACKPRESSURE']);
    expect(await outcome(answering({ kind: 'expired' }))).toBe('BACKPRESSURE');
    expect(await outcome(append)).toBe('stored');
    expect(await outcome(append)).toBe('stored again');
  });

  test('end each with its own part of a publish that was divided', async () => {
    const body = (text: string): Uint8Array =>
      Message.encode(Message.fromPartial({ body: Buffer.from(text) })).finish();
    const three = { ...request, messages: ['a', 'b', 'c'].map(body) };
    const publish = async (enqueue: Enqueue): Promise<string[]> => {
      const { response } = await publisher.execute(await publisher.plan(three), enqueue);
      return PublishResponse.decode(response).results.map(({ outcome: each, duplicate }) =>
        each?.$case === 'error' ? statusToError(each.value).code : `stored${duplicate ? ' again' : ''}`,
      );
    };
    const tooLarge = { kind: 'refused' as const, error: new StoreError('tooLarge', 'too large') };
    const divided = answering({
      kind: 'divided',
      parts: [
        { records: 1, result: { kind: 'appended', firstOffset: 0, appendedAtMs: 1 } },
        { records: 1, result: tooLarge },
        { records: 1, result: { kind: 'expired' } },
      ],
    });
    expect(await publish(divided)).toEqual(['stored', 'MESSAGE_TOO_LARGE', 'BACKPRESSURE']);
    expect(await publish(append)).toEqual(['stored again', 'stored', 'stored']);
    await expect(outcome(answering(tooLarge))).resolves.toBe('stored again');
  });

  test('of unknown outcome stay so until the partition is opened anew', async () => {
    expect(await outcome(answering({ kind: 'unknown' }))).toBe('OUTCOME_UNKNOWN');
    expect(await outcome(append)).toBe('OUTCOME_UNKNOWN');
    fixture.change({ closed: [fixture.assignment('orders', 1)], opened: [fixture.assignment('orders', 2)] });
    await fixture.reported('ready orders/0@2 r1');
    expect(await outcome(append)).toBe('stored');
  });
});
