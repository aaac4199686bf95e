import { Metadata } from '@grpc/grpc-js';
import {
  fromServiceError,
  type HermesError,
  partitionForKey,
  type PublishStreamResponse,
  statusToError,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { BrokerFixture, message } from './broker-fixture.js';

const fixture = new BrokerFixture();
beforeAll(async () => {
  await fixture.start();
  await fixture.topic('orders', { partitions: 4 });
});
afterAll(() => fixture.stop());

function partitionsOf(ids: readonly string[]): number[] {
  return ids.map((id) => Number(id.split('/')[1]));
}

describe('Publish', () => {
  test('a key has the partition that Kafka would give it, each time', async () => {
    const keys = ['a', 'b', 'customer-17', 'ü', 'k'.repeat(255)];
    const { results } = await fixture.publish({ messages: keys.map((key) => message('x', { key })) });
    const ids = results.map(({ outcome }) => (outcome?.$case === 'messageId' ? outcome.value : ''));
    expect(partitionsOf(ids)).toEqual(keys.map((key) => partitionForKey(key, 4)));
  });

  test('messages without a key are spread evenly', async () => {
    const ids = await fixture.publishTexts('orders', new Array<string>(100).fill('x'));
    const counts = [0, 1, 2, 3].map((partition) => partitionsOf(ids).filter((each) => each === partition).length);
    expect(counts).toEqual([25, 25, 25, 25]);
  });

  test('an explicit partition holds for all messages, and offsets follow each other', async () => {
    const { results } = await fixture.publish({ partition: 2, messages: [message('a', { key: 'k' }), message('b')] });
    const ids = results.map(({ outcome }) => (outcome?.$case === 'messageId' ? outcome.value : ''));
    expect(partitionsOf(ids)).toEqual([2, 2]);
    const [first = 0, second = 0] = ids.map((id) => Number(id.split('/')[3]));
    expect(second).toBe(first + 1);
  });

  test('one bad message fails alone', async () => {
    const messages = [
      message('ok'),
      message('x'.repeat(1024 * 1024 + 1)),
      message('x', { key: 'k'.repeat(256) }),
      message('x', { priority: 1 }),
      message('x', { attributes: new Map([['hermes-x', '1']]) }),
      message('x', { idempotencyKey: 'i'.repeat(129) }),
      message('ok', { attributes: new Map([['__proto__', 'verbatim']]) }),
    ];
    const { results } = await fixture.publish({ messages });
    const codes = results.map(({ outcome }) =>
      outcome?.$case === 'error' ? statusToError(outcome.value).code : outcome?.$case,
    );
    expect(codes).toEqual([
      'messageId',
      'MESSAGE_TOO_LARGE',
      ...['INVALID_FIELD', 'INVALID_FIELD', 'INVALID_FIELD', 'INVALID_FIELD'],
      'messageId',
    ]);
  });

  test.each<[string, Parameters<BrokerFixture['publish']>[0], string]>([
    ['an empty topic', { topic: '' }, 'INVALID_FIELD'],
    ['a topic with a leading dot', { topic: '.a' }, 'INVALID_FIELD'],
    ['a topic of SQL', { topic: '`a`; DROP TABLE x; --' }, 'INVALID_FIELD'],
    ['a topic of 201 characters', { topic: 'a'.repeat(201) }, 'INVALID_FIELD'],
    ['an unknown topic', { topic: 'nothing', messages: [message('x')] }, 'TOPIC_NOT_FOUND'],
    ['no messages', { messages: [] }, 'INVALID_FIELD'],
    ['1,001 messages', { messages: new Array(1_001).fill(message('x')) as never }, 'INVALID_FIELD'],
    ['5 MiB', { messages: new Array(6).fill(message('x'.repeat(900_000))) as never }, 'INVALID_FIELD'],
    ['partition -1', { partition: -1, messages: [message('x')] }, 'INVALID_FIELD'],
    ['a partition that the topic lacks', { partition: 4, messages: [message('x')] }, 'INVALID_FIELD'],
  ])('%s is refused as a whole', async (_name, request, code) => {
    await expect(fixture.publish(request)).rejects.toMatchObject({ code });
  });

  test('a partition that another broker owns is refused with its endpoint; keyed messages fail alone', async () => {
    fixture.meta.addTopic('split', { partitions: 2 });
    fixture.meta.grant('split', 0);
    fixture.meta.elsewhere.set('split/1', { endpoint: '127.0.0.1:9', epoch: 7 });
    await fixture.ready('split', 1);
    const refused = { code: 'NOT_OWNER', details: { endpoint: '127.0.0.1:9', epoch: '7' } };
    await expect(fixture.publish({ topic: 'split', partition: 1, messages: [message('x')] })).rejects.toMatchObject(
      refused,
    );
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { results } = await fixture.publish({ topic: 'split', messages: keys.map((key) => message('x', { key })) });
    const owners = results.map(({ outcome }) => (outcome?.$case === 'error' ? 1 : 0));
    expect(owners).toEqual(keys.map((key) => partitionForKey(key, 2)));
    const unkeyed = await fixture.publishTexts('split', ['x', 'y', 'z']);
    expect(partitionsOf(unkeyed)).toEqual([0, 0, 0]);
  });

  test('a topic that nobody serves yet is moving', async () => {
    fixture.meta.addTopic('unowned');
    await expect(fixture.publish({ topic: 'unowned', messages: [message('x')] })).rejects.toMatchObject({
      code: 'PARTITION_MOVING',
      retryable: true,
    });
  });

  test('a paused topic refuses until it is resumed', async () => {
    await fixture.topic('pausable');
    fixture.meta.updateTopic('pausable', { paused: true });
    await fixture.ready('pausable');
    await expect(fixture.publish({ topic: 'pausable', messages: [message('x')] })).rejects.toMatchObject({
      code: 'TOPIC_PAUSED',
    });
    fixture.meta.updateTopic('pausable', { paused: false });
    await fixture.ready('pausable');
    await fixture.publishTexts('pausable', ['x']);
  });

  test('a request whose deadline has passed stores nothing', async () => {
    await fixture.topic('late');
    await expect(fixture.publish({ topic: 'late', messages: [message('x')] }, -1)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    const [id] = await fixture.publishTexts('late', ['y']);
    const [again] = await fixture.publishTexts('late', ['z']);
    expect(Number(again?.split('/')[3])).toBe(Number(id?.split('/')[3]) + 1);
  });
});

describe('PublishStream', () => {
  interface Outcome {
    readonly responses: PublishStreamResponse[];
    readonly error: HermesError | undefined;
  }

  interface StreamedRequest {
    readonly topic: string;
    readonly messages: ReturnType<typeof message>[];
    readonly partition?: number;
  }

  /** Sends all requests at once and waits for the stream's end. */
  function stream(requests: readonly StreamedRequest[]): Promise<Outcome> {
    return new Promise((resolve) => {
      const call = fixture.client.publishStream(new Metadata());
      const responses: PublishStreamResponse[] = [];
      let error: HermesError | undefined;
      call.on('data', (response: PublishStreamResponse) => responses.push(response));
      call.on('error', (thrown) => {
        error = fromServiceError(thrown);
        resolve({ responses, error });
      });
      call.on('end', () => {
        resolve({ responses, error });
      });
      for (const request of requests) {
        call.write({ producerId: undefined, firstSequence: undefined, partition: undefined, ...request });
      }
      call.end();
    });
  }

  test('answers every request in order, whatever the pipeline holds', async () => {
    await fixture.topic('streamed');
    const requests = Array.from({ length: 600 }, (_, nth) => ({
      topic: 'streamed',
      messages: [message(`${nth}a`), message(`${nth}b`)],
    }));
    const { responses, error } = await stream(requests);
    expect(error).toBeUndefined();
    const offsets = responses.flatMap(({ results }) =>
      results.map(({ outcome }) => (outcome?.$case === 'messageId' ? Number(outcome.value.split('/')[3]) : -1)),
    );
    expect(offsets).toHaveLength(1_200);
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(new Set(offsets).size).toBe(1_200);
  });

  test('a bad message fails alone, a retryable failure ends the stream after the answers before it', async () => {
    fixture.meta.addTopic('closed-topic');
    const { responses, error } = await stream([
      { topic: 'streamed', messages: [message('ok'), message('x', { priority: 3 })] },
      { topic: 'streamed', messages: [message('ok')] },
      { topic: 'closed-topic', messages: [message('x')] },
      { topic: 'streamed', messages: [message('never')] },
    ]);
    expect(responses.map(({ results }) => results.map(({ outcome }) => outcome?.$case))).toEqual([
      ['messageId', 'error'],
      ['messageId'],
    ]);
    expect(error?.code).toBe('PARTITION_MOVING');
    await fixture.group('streamed', 'reader');
    const subscriber = await fixture
      .subscribe({ topic: 'streamed', group: 'reader', maxInFlightMessages: 10_000 })
      .opened();
    await subscriber.received(1_202);
    expect(subscriber.texts).not.toContain('never');
  });

  test('waits for a partition that is being opened', async () => {
    fixture.meta.addTopic('opening');
    fixture.meta.catalog.unreadable.add('opening');
    fixture.meta.grant('opening', 0);
    await eventually(async () => (await fixture.metric('hermes_broker_partitions_opening')) === 1);
    const ended = stream([{ topic: 'opening', messages: [message('x')], partition: 0 }]);
    // Another stream is answered meanwhile, so this one was most likely read, too.
    await stream([{ topic: 'streamed', messages: [message('y')] }]);
    fixture.meta.catalog.unreadable.delete('opening');
    const { responses, error } = await ended;
    expect([responses.length, error]).toEqual([1, undefined]);
  });

  test('ends DRAINING when the broker stops, after everything that was read is answered', async () => {
    const other = new BrokerFixture();
    await other.start();
    await other.topic('orders');
    const call = other.client.publishStream(new Metadata());
    const responses: unknown[] = [];
    let code: string | undefined;
    call.on('data', (response) => responses.push(response));
    call.on('error', (error) => {
      code = fromServiceError(error).code;
    });
    const request = { producerId: undefined, firstSequence: undefined, partition: undefined };
    call.write({ ...request, topic: 'orders', messages: [message('x')] });
    await eventually(() => {
      expect(responses).toHaveLength(1);
    });
    await other.broker.stop({ deadlineMs: 2_000 });
    await eventually(() => {
      expect(code).toBe('DRAINING');
    });
    await other.stop();
  });
});
