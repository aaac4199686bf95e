import { Metadata } from '@grpc/grpc-js';
import {
  durationFromMs,
  type HermesError,
  type Message,
  MessagingServiceService,
  PublishRequest,
  PublishStreamRequest,
  statusToError,
} from '@hermes/contracts';

import { type Answer, answerOf, explained, invalid, OK } from '../harness/caller.js';
import { ClusterUnderAbuse } from '../harness/cluster-under-abuse.js';

const MIB = 1024 * 1024;
const NAME_200 = "a letter or digit, then letters, digits, '.', '_', '-'; 1 to 200 bytes";
const SEQUENCE = invalid('first_sequence', 'from 1 on, and below 2^52 for the last message');
const NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'TOPIC_NOT_FOUND' };

type Fields<T> = { readonly [K in keyof T]?: T[K] | undefined };

const message = (fields: Fields<Message> = {}): Fields<Message> => ({ body: Buffer.from('x'), ...fields });
const messages = (count: number): Fields<Message>[] => new Array<Fields<Message>>(count).fill(message());
/** Three messages that are encoded to so many bytes together. */
const threeOf = (bytes: number): Fields<Message>[] => {
  // A body has a tag and a length of three bytes.
  const sizes = [MIB, MIB, bytes - 2 * MIB];
  return sizes.map((size) => message({ body: Buffer.alloc(size - 4) }));
};
const attributes = (count: number, bytes: number): Message['attributes'] =>
  new Map(Array.from({ length: count }, (_, at) => [`a${at}`.padEnd(3), 'v'.repeat(bytes / count - 3)]));

const under = new ClusterUnderAbuse();
beforeAll(() => under.start());
afterAll(() => under.stop());

describe.each(['gateway', 'broker'] as const)('Publish at the %s', (server) => {
  const publish = async (fields: object, metadata?: Metadata): Promise<Answer> => {
    const request = PublishRequest.fromPartial({ topic: 'orders', messages: messages(1) as Message[], ...fields });
    return answerOf(under.at(server).call(MessagingServiceService.publish, request, {}, metadata));
  };

  test.each<[string, object, Answer]>([
    ['no topic', { topic: '' }, invalid('topic', NAME_200)],
    ['a topic of 200 bytes', { topic: 'a'.repeat(200) }, NOT_FOUND],
    ['a topic of 201 bytes', { topic: 'a'.repeat(201) }, invalid('topic', NAME_200)],
    ['a topic that begins with a dot', { topic: '.a' }, invalid('topic', NAME_200)],
    ['a topic with a slash', { topic: 'a/b' }, invalid('topic', NAME_200)],
    ['a topic of SQL', { topic: '`a`; DROP TABLE x; -- ' }, invalid('topic', NAME_200)],
    ['a topic beyond ASCII', { topic: 'bücher' }, invalid('topic', NAME_200)],
    ['an unknown topic', { topic: 'nothing' }, NOT_FOUND],
    ['no message', { messages: [] }, invalid('messages', '1 to 1000 messages')],
    ['1,000 messages', { messages: messages(1_000) }, OK],
    ['1,001 messages', { messages: messages(1_001) }, invalid('messages', '1 to 1000 messages')],
    ['4 MiB together', { topic: 'wide', messages: threeOf(4 * MIB) }, OK],
    [
      '4 MiB and a byte together',
      { topic: 'wide', messages: threeOf(4 * MIB + 1) },
      invalid('messages', 'together at most 4194304 bytes, or one message'),
    ],
    ['partition -1', { partition: -1 }, invalid('partition', '0 to 1')],
    ['the last partition', { partition: 1 }, OK],
    ['a partition beyond the last', { partition: 2 }, invalid('partition', '0 to 1')],
    ['a producer', { partition: 0, producerId: 1, firstSequence: 1 }, OK],
    ['producer 0', { producerId: 0, partition: 0, firstSequence: 1 }, invalid('producer_id', '1 to 2^53 - 1')],
    [
      'a producer without a partition',
      { producerId: 1, firstSequence: 1 },
      invalid('partition', 'given, together with producer_id'),
    ],
    ['a producer without a sequence', { partition: 0, producerId: 1 }, SEQUENCE],
    ['sequence 0', { partition: 0, producerId: 1, firstSequence: 0 }, SEQUENCE],
    ['a sequence of 2^52', { partition: 0, producerId: 1, firstSequence: 2 ** 52 }, SEQUENCE],
    ['a first sequence alone', { firstSequence: 1 }, invalid('first_sequence', 'only together with producer_id')],
  ])('%s', async (_, fields, answer) => {
    expect(await publish(fields)).toMatchObject(answer);
  });

  test('an idempotency key in the metadata is for one message', async () => {
    const metadata = new Metadata();
    metadata.set('idempotency-key', 'k');
    expect(await publish({}, metadata)).toEqual(OK);
    const answer = invalid('metadata idempotency-key', 'one, for one message');
    expect(await publish({ messages: messages(2) }, metadata)).toEqual(answer);
  });

  const limits: [string, Fields<Message>, Answer][] = [
    ['a body at its limit', { body: Buffer.alloc(MIB) }, OK],
    ['a key of 255 bytes', { key: 'ü'.repeat(127) + 'x' }, OK],
    ['a key of 256 bytes', { key: 'ü'.repeat(128) }, invalid('key', 'at most 255 bytes')],
    ['a reference of 128 bytes', { refKey: 'r'.repeat(128) }, OK],
    ['a reference of 129 bytes', { refKey: 'r'.repeat(129) }, invalid('ref_key', 'at most 128 bytes')],
    ['64 attributes', { attributes: attributes(64, 16 * 64) }, OK],
    ['65 attributes', { attributes: attributes(65, 16 * 65) }, invalid('attributes', 'at most 64')],
    ['16 KiB of attributes', { attributes: attributes(16, 16 * 1024) }, OK],
    [
      'a byte more of attributes',
      { attributes: new Map([...attributes(16, 16 * 1024), ['', 'x']]) },
      invalid('attributes', 'names and values of at most 16384 bytes together'),
    ],
    [
      'a reserved attribute',
      { attributes: new Map([['hermes-x', '1']]) },
      invalid('attributes', "no name that begins with 'hermes-'"),
    ],
    ['an attribute named __proto__', { attributes: new Map([['__proto__', 'verbatim']]) }, OK],
    ['a content type of 128 bytes', { contentType: 'c'.repeat(128) }, OK],
    ['a content type of 129 bytes', { contentType: 'c'.repeat(129) }, invalid('content_type', 'at most 128 bytes')],
    ['a priority that the topic lacks', { priority: 1 }, invalid('priority', '0 to 0')],
    ['a negative delay', { schedule: delay(-1) }, invalid('delay', 'not negative')],
    ['no delay', { schedule: delay(0) }, OK],
    ['no valid time', { schedule: deliverAt(-1) }, invalid('deliver_at', 'a valid timestamp')],
    ['a time that has passed', { schedule: deliverAt(0) }, OK],
    ['a ttl of 0', { ttl: durationFromMs(0) }, invalid('ttl', 'above 0 and above the delay')],
    [
      'a ttl as long as the delay',
      { schedule: delay(5), ttl: durationFromMs(5) },
      invalid('ttl', 'above 0 and above the delay'),
    ],
    ['an idempotency key', { idempotencyKey: 'i'.repeat(128) }, OK],
    ['one of 129 bytes', { idempotencyKey: 'i'.repeat(129) }, invalid('idempotency_key', 'at most 128 bytes')],
  ];

  /** What becomes of a message between two good ones, which must be stored. */
  const between = async (fields: Fields<Message>): Promise<Answer> => {
    const sent = [message(), message(fields), message()];
    const request = PublishRequest.fromPartial({ topic: 'orders', messages: sent as Message[] });
    const { results } = await under.at(server).call(MessagingServiceService.publish, request);
    expect([results[0], results[2]].map((result) => result?.outcome?.$case)).toEqual(['messageId', 'messageId']);
    const outcome = results[1]?.outcome;
    return outcome?.$case === 'error' ? explained(statusToError(outcome.value)) : OK;
  };

  test.each(limits)('%s concerns its message alone', async (_, fields, answer) => {
    const field = answer.field === undefined ? {} : { field: `messages[1].${answer.field}` };
    expect(await between(fields)).toEqual({ ...answer, ...field });
  });

  test('a negative priority is refused; how many there are, the owner tells', async () => {
    expect(await between({ priority: -1 })).toMatchObject({ reason: 'INVALID_FIELD', field: 'messages[1].priority' });
  });

  test('a body above its limit is told limit and size', async () => {
    const request = PublishRequest.fromPartial({
      topic: 'orders',
      messages: [message({ body: Buffer.alloc(MIB + 1) })] as Message[],
    });
    const { results } = await under.at(server).call(MessagingServiceService.publish, request);
    const outcome = results[0]?.outcome;
    const error: HermesError | undefined = outcome?.$case === 'error' ? statusToError(outcome.value) : undefined;
    expect(error).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      details: { limit: String(MIB), size: String(MIB + 1) },
      violations: [{ field: 'messages[0].body', description: `at most ${MIB} bytes` }],
    });
  });

  test('a bad request ends a PublishStream, after the answers of those before it', async () => {
    const stream = (topic: string) =>
      PublishStreamRequest.fromPartial({ topic, messages: [{ body: Buffer.from('x') }] });
    const { publishStream } = MessagingServiceService;
    const caller = under.at(server);
    expect((await caller.converse(publishStream, [stream('orders'), stream('')]))?.results).toHaveLength(1);
    expect(await answerOf(caller.converse(publishStream, [stream(''), stream('orders')]))).toEqual(
      invalid('topic', NAME_200),
    );
  });
});

test('every process is unharmed', () => under.expectUnharmed());

function delay(ms: number): Message['schedule'] {
  return { $case: 'delay', value: durationFromMs(ms) };
}

function deliverAt(nanos: number): Message['schedule'] {
  return { $case: 'deliverAt', value: { seconds: 1, nanos } };
}
