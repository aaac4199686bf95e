import { Message, PublishResponse, type RawPublishRequest, statusToError } from '@hermes/contracts';
import { type AppendResult } from '@hermes/log';
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

  test('of unknown outcome stay so until the partition is opened anew', async () => {
    expect(await outcome(answering({ kind: 'unknown' }))).toBe('OUTCOME_UNKNOWN');
    expect(await outcome(append)).toBe('OUTCOME_UNKNOWN');
    fixture.change({ closed: [fixture.assignment('orders', 1)], opened: [fixture.assignment('orders', 2)] });
    await fixture.reported('ready orders/0@2 r1');
    expect(await outcome(append)).toBe('stored');
  });
});
