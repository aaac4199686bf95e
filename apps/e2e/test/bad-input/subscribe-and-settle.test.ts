import { credentials, Metadata } from '@grpc/grpc-js';
import {
  AcknowledgeRequest,
  type Delivery,
  durationFromMs,
  MessagingServiceClient,
  MessagingServiceService,
  Outcome,
  PartitionServiceService,
  PositionEdge,
  PublishRequest,
  ReadMessagesRequest,
  statusToError,
  SubscribeRequest,
  type SubscribeResponse,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { type Answer, answerOf, explained, invalid, OK } from '../harness/caller.js';
import { ClusterUnderAbuse, type Server } from '../harness/cluster-under-abuse.js';

const MIB = 1024 * 1024;
const HALF_DAY_MS = 12 * 3_600_000;
const NAME_128 = "a letter or digit, then letters, digits, '.', '_', '-'; 1 to 128 bytes";
const NAME_200 = NAME_128.replace('128', '200');
const TOPIC_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'TOPIC_NOT_FOUND' };
const GROUP_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'GROUP_NOT_FOUND' };
const NOT_ALLOWED: Answer = { status: 'PERMISSION_DENIED', reason: 'NOT_ALLOWED' };
const UNKNOWN_ENUM = 99;
const EDGE = 'an edge that is EARLIEST or LATEST';

const { subscribe, acknowledge } = MessagingServiceService;

const under = new ClusterUnderAbuse();
beforeAll(() => under.start());
afterAll(() => under.stop());

describe.each(['gateway', 'broker'] as const)('Subscribe at the %s', (server) => {
  const open = (fields: object): Promise<Answer> => {
    const request = SubscribeRequest.fromPartial({
      topic: 'orders',
      group: 'billing',
      consumer: `table-${server}`,
      ...fields,
    });
    return answerOf(under.at(server).firstFrame(subscribe, request));
  };

  test.each<[string, object, Answer]>([
    ['no topic', { topic: '' }, invalid('topic', NAME_200)],
    ['no group', { group: '' }, invalid('group', NAME_200)],
    ['a group of 201 bytes', { group: 'g'.repeat(201) }, invalid('group', NAME_200)],
    ['no consumer', { consumer: '' }, invalid('consumer', NAME_128)],
    ['a consumer of 128 bytes', { consumer: server.padEnd(128, '-') }, OK],
    ['a consumer of 129 bytes', { consumer: 'c'.repeat(129) }, invalid('consumer', NAME_128)],
    ['an unknown topic', { topic: 'nothing' }, TOPIC_NOT_FOUND],
    ['an unknown group', { group: 'nothing' }, GROUP_NOT_FOUND],
    ['no credit', { maxInFlightMessages: 0 }, invalid('max_in_flight_messages', '1 to 10000')],
    ['a credit of 10,000', { maxInFlightMessages: 10_000 }, OK],
    ['a credit of 10,001', { maxInFlightMessages: 10_001 }, invalid('max_in_flight_messages', '1 to 10000')],
    ['1 MiB of credit', { maxInFlightBytes: MIB }, OK],
    ['a byte less', { maxInFlightBytes: MIB - 1 }, invalid('max_in_flight_bytes', '1048576 to 268435456')],
    ['256 MiB of credit', { maxInFlightBytes: 256 * MIB }, OK],
    ['a byte more', { maxInFlightBytes: 256 * MIB + 1 }, invalid('max_in_flight_bytes', '1048576 to 268435456')],
    ['a deadline of 1 s', { ackDeadline: durationFromMs(1_000) }, OK],
    ['a ms less', { ackDeadline: durationFromMs(999) }, invalid('ack_deadline', '1000 to 43200000 ms')],
    ['a deadline of 12 h', { ackDeadline: durationFromMs(HALF_DAY_MS) }, OK],
    ['a ms more', { ackDeadline: durationFromMs(HALF_DAY_MS + 1) }, invalid('ack_deadline', '1000 to 43200000 ms')],
    ['no valid deadline', { ackDeadline: { seconds: 1, nanos: -1 } }, invalid('ack_deadline', 'a valid duration')],
    ['a resume of what nobody knows', { resume: { subscriptionId: Buffer.alloc(8), lastBatch: 1 } }, OK],
  ])('%s', async (_, fields, answer) => {
    expect(await open(fields)).toEqual(answer);
  });
});

describe('claims', () => {
  const claim = (partition: number, consumerEpoch: number) => ({ partition, consumerEpoch });
  const open = (server: Server, fields: object): Promise<Answer> => {
    const request = SubscribeRequest.fromPartial({ topic: 'orders', group: 'billing', consumer: 'claims', ...fields });
    return answerOf(under.at(server).firstFrame(subscribe, request));
  };

  test.each<[string, Server, object, Answer]>([
    [
      'at a gateway',
      'gateway',
      { claims: [claim(0, 1)] },
      invalid('claims', 'none at a gateway, which holds the leases itself'),
    ],
    ['of a partition that the topic lacks', 'broker', { claims: [claim(2, 1)] }, invalid('claims', '0 to 1')],
    ['of partition -1', 'broker', { claims: [claim(-1, 1)] }, invalid('claims', '0 to 1')],
    [
      'of a partition twice',
      'broker',
      { claims: [claim(0, 1), claim(0, 1)] },
      invalid('claims', 'each partition at most once'),
    ],
    [
      'of more partitions than a topic may have',
      'broker',
      { claims: Array.from({ length: 1_025 }, (_, partition) => claim(partition, 1)) },
      invalid('claims', 'at most 1024'),
    ],
  ])('%s are refused', async (_, server, fields, answer) => {
    expect(await open(server, fields)).toEqual(answer);
  });

  test('with an older consumer epoch are FENCED', async () => {
    expect(await open('broker', { claims: [claim(0, 1_000)] })).toEqual(OK);
    expect(await open('broker', { claims: [claim(0, 999)] })).toEqual({ status: 'ABORTED', reason: 'FENCED' });
  });
});

test('a subscriber of an unknown group keeps no other from subscribing through the same gateway', async () => {
  const open = (group: string, consumer: string): Promise<Answer> =>
    answerOf(
      under.at('gateway').firstFrame(subscribe, SubscribeRequest.fromPartial({ topic: 'orders', group, consumer })),
    );
  const strangers = ['a', 'b', 'c'].map((consumer) => open('nothing', consumer));
  const startedAt = performance.now();
  expect(await open('billing', 'good')).toEqual(OK);
  // Its leases alone would come in well under a second; refusals that took it along would last 10 s.
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(await Promise.all(strangers)).toEqual(strangers.map(() => GROUP_NOT_FOUND));
});

describe.each(['gateway', 'broker'] as const)('Acknowledge at the %s', (server) => {
  const consumer = `settler-${server}`;
  const topic = `settled-${server}`;
  let deliveries: Delivery[] = [];
  let close: () => void = () => undefined;

  /** Deliveries that stay in flight while the table runs. */
  beforeAll(async () => {
    const { gatewayEndpoint } = under.cluster;
    await under.create(topic, 'g');
    const client = new MessagingServiceClient(gatewayEndpoint, credentials.createInsecure());
    const call = client.subscribe(SubscribeRequest.fromPartial({ topic, group: 'g', consumer }), new Metadata());
    call.on('error', () => undefined);
    call.on('data', ({ frame }: SubscribeResponse) => {
      deliveries = frame?.$case === 'batch' ? [...deliveries, ...frame.value.deliveries] : deliveries;
    });
    close = () => {
      call.cancel();
      client.close();
    };
    const messages = ['a', 'b', 'c'].map((text) => ({ body: Buffer.from(text) }));
    await under.at('gateway').call(MessagingServiceService.publish, PublishRequest.fromPartial({ topic, messages }));
    await eventually(() => deliveries.length === 3, { deadlineMs: 20_000 });
  });
  afterAll(() => {
    close();
  });

  const request = (fields: object): AcknowledgeRequest =>
    AcknowledgeRequest.fromPartial({ topic, group: 'g', consumer, entries: [entry()], ...fields });
  const entry = (fields: object = {}) => ({ receipt: deliveries[0]!.receipt, outcome: Outcome.EXTEND, ...fields });
  const settle = (fields: object): Promise<Answer> => answerOf(under.at(server).call(acknowledge, request(fields)));
  const settleOne = async (fields: object, who: object = {}): Promise<Answer> => {
    const { results } = await under.at(server).call(acknowledge, request({ entries: [entry(fields)], ...who }));
    const error = results[0]?.error;
    return error === undefined ? OK : explained(statusToError(error));
  };
  const receiptWith = (change: (receipt: Buffer) => void): Buffer => {
    const receipt = Buffer.from(deliveries[0]!.receipt);
    change(receipt);
    return receipt;
  };

  test.each<[string, () => object, Answer]>([
    ['no topic', () => ({ topic: '' }), invalid('topic', NAME_200)],
    ['no group', () => ({ group: '' }), invalid('group', NAME_200)],
    ['no consumer', () => ({ consumer: '' }), invalid('consumer', NAME_128)],
    ['an unknown topic', () => ({ topic: 'nothing' }), TOPIC_NOT_FOUND],
    ['an unknown group', () => ({ group: 'nothing' }), GROUP_NOT_FOUND],
    ['no entries', () => ({ entries: [] }), invalid('entries', '1 to 10000 entries')],
    ['10,000 entries', () => ({ entries: new Array(10_000).fill(entry()) }), OK],
    ['10,001 entries', () => ({ entries: new Array(10_001).fill(entry()) }), invalid('entries', '1 to 10000 entries')],
    [
      'more than 4 MiB',
      () => ({ entries: new Array(4_000).fill(entry({ outcome: Outcome.NACK, reason: 'r'.repeat(1_024) })) }),
      invalid('request', 'at most 4194304 bytes'),
    ],
  ])('%s', async (_, fields, answer) => {
    expect(await settle(fields())).toEqual(answer);
  });

  test.each<[string, () => object, Answer]>([
    [
      'no receipt',
      () => ({ receipt: Buffer.alloc(0) }),
      invalid('entries[0].receipt', 'a receipt as it was delivered'),
    ],
    [
      'a receipt cut short',
      () => ({ receipt: deliveries[0]!.receipt.subarray(1) }),
      invalid('entries[0].receipt', 'a receipt as it was delivered'),
    ],
    ['a forged tag', () => ({ receipt: receiptWith((r) => r.writeUInt8(r.readUInt8(39) ^ 1, 39)) }), NOT_ALLOWED],
    ['a forged epoch', () => ({ receipt: receiptWith((r) => r.writeUInt8(r.readUInt8(23) ^ 1, 23)) }), NOT_ALLOWED],
    ['a partition that the topic lacks', () => ({ receipt: receiptWith((r) => r.writeUInt16BE(9, 0)) }), NOT_ALLOWED],
    [
      'no outcome',
      () => ({ outcome: Outcome.UNSPECIFIED }),
      invalid('entries[0].outcome', 'ACK, NACK, RETURN, DEAD_LETTER or EXTEND'),
    ],
    [
      'an unknown outcome',
      () => ({ outcome: UNKNOWN_ENUM }),
      invalid('entries[0].outcome', 'ACK, NACK, RETURN, DEAD_LETTER or EXTEND'),
    ],
    [
      'a negative delay',
      () => ({ outcome: Outcome.NACK, delay: durationFromMs(-1) }),
      invalid('entries[0].delay', '0 to 43200000 ms'),
    ],
    [
      'a delay above 12 h',
      () => ({ outcome: Outcome.NACK, delay: durationFromMs(HALF_DAY_MS + 1) }),
      invalid('entries[0].delay', '0 to 43200000 ms'),
    ],
    ['a deadline of 1 s', () => ({ deadline: durationFromMs(1_000) }), OK],
    [
      'a deadline below 1 s',
      () => ({ deadline: durationFromMs(999) }),
      invalid('entries[0].deadline', '1000 to 43200000 ms'),
    ],
    ['a deadline of 12 h', () => ({ deadline: durationFromMs(HALF_DAY_MS) }), OK],
    [
      'a deadline above 12 h',
      () => ({ deadline: durationFromMs(HALF_DAY_MS + 1) }),
      invalid('entries[0].deadline', '1000 to 43200000 ms'),
    ],
    [
      'a reason above 1 KiB',
      () => ({ outcome: Outcome.NACK, reason: 'ü'.repeat(513) }),
      invalid('entries[0].reason', 'at most 1024 bytes'),
    ],
    [
      'a delay for an ACK',
      () => ({ outcome: Outcome.ACK, delay: durationFromMs(0) }),
      invalid('entries[0].delay', 'only with NACK'),
    ],
    [
      'a reason for an ACK',
      () => ({ outcome: Outcome.ACK, reason: 'done' }),
      invalid('entries[0].reason', 'only with NACK or DEAD_LETTER'),
    ],
    [
      'a deadline for an ACK',
      () => ({ outcome: Outcome.ACK, deadline: durationFromMs(1_000) }),
      invalid('entries[0].deadline', 'only with EXTEND'),
    ],
  ])('an entry with %s', async (_, fields, answer) => {
    expect(await settleOne(fields())).toEqual(answer);
  });

  test("another consumer's receipt, or one for another group, is not allowed", async () => {
    expect(await settleOne({}, { consumer: 'another' })).toEqual(NOT_ALLOWED);
    await under.create(topic, 'other');
    expect(await settleOne({}, { group: 'other' })).toEqual(NOT_ALLOWED);
    expect(await settleOne({}, { topic: 'orders', group: 'billing' })).toEqual(NOT_ALLOWED);
  });

  test('a bad entry fails alone, and thousands of errors still fit into a response', async () => {
    const bad = { receipt: Buffer.alloc(3), outcome: Outcome.ACK };
    const entries = [entry(), ...new Array<typeof bad>(9_998).fill(bad), entry()];
    const bytes = await under.at(server).send(acknowledge.path, acknowledge.requestSerialize(request({ entries })));
    expect(bytes.length).toBeLessThanOrEqual(MIB);
    const { results } = acknowledge.responseDeserialize(bytes);
    expect([results[0]?.error, results.at(-1)?.error]).toEqual([undefined, undefined]);
    const codes = results.slice(1, -1).map(({ error }) => error && statusToError(error).code);
    expect(new Set(codes)).toEqual(new Set(['INVALID_FIELD']));
  });

  test('all of it has left the deliveries in flight: they are acknowledged now', async () => {
    const entries = deliveries.map(({ receipt }) => ({ receipt, outcome: Outcome.ACK }));
    const { results } = await under.at(server).call(acknowledge, request({ entries }));
    expect(results.map(({ error }) => error && statusToError(error).code)).toEqual([undefined, undefined, undefined]);
  });
});

describe.each(['gateway', 'broker'] as const)('ReadMessages at the %s', (server) => {
  const read = (fields: object): Promise<Answer> => {
    const request = ReadMessagesRequest.fromPartial({ topic: 'orders', ...fields });
    return answerOf(under.at(server).firstFrame(PartitionServiceService.readMessages, request));
  };
  const offset = (partition: number, lane: number, at: number) => ({
    kind: { $case: 'offset' as const, value: { partition, lane, offset: at } },
  });

  test.each<[string, object, Answer]>([
    ['everything', {}, OK],
    ['an unknown topic', { topic: 'nothing' }, TOPIC_NOT_FOUND],
    ['a partition that the topic lacks', { partitions: [2] }, invalid('partitions', '0 to 1')],
    ['partition -1', { partitions: [-1] }, invalid('partitions', '0 to 1')],
    ['1,025 partitions', { partitions: new Array(1_025).fill(0) }, invalid('partitions', 'at most 1024')],
    ['an empty start', { start: {} }, invalid('start', 'edge, time or offset')],
    ['no edge', { start: { kind: { $case: 'edge', value: PositionEdge.UNSPECIFIED } } }, invalid('start', EDGE)],
    ['an unknown edge', { end: { kind: { $case: 'edge', value: UNKNOWN_ENUM } } }, invalid('end', EDGE)],
    [
      'no valid time',
      { end: { kind: { $case: 'time', value: { seconds: 0, nanos: -1 } } } },
      invalid('end', 'a valid timestamp'),
    ],
    [
      'a shift',
      { start: { kind: { $case: 'shift', value: 1 } } },
      invalid('start', 'edge, time or offset; shift is for Seek'),
    ],
    ['a start that the topic lacks', { start: offset(2, 0, 0) }, invalid('start.offset.partition', '0 to 1')],
    ['an end that the topic lacks', { end: offset(2, 0, 0) }, invalid('end.offset.partition', '0 to 1')],
    [
      'a start that is not read',
      { partitions: [0], start: offset(1, 0, 0) },
      invalid('start.offset.partition', 'one of partitions'),
    ],
    ['a lane that the topic lacks', { start: offset(0, 1, 0) }, invalid('start.offset.lane', '0 to 0')],
    [
      'an offset beyond the end',
      { start: offset(0, 0, 1e9) },
      { status: 'OUT_OF_RANGE', reason: 'OFFSET_OUT_OF_RANGE' },
    ],
    [
      'a filter that is none',
      { filter: 'f' },
      invalid('filter', '"f" is none of key, ref_key, priority and attributes'),
    ],
    ['a filter above 1 KiB', { filter: 'f'.repeat(1_025) }, invalid('filter', 'at most 1024 bytes')],
  ])('%s', async (_, fields, answer) => {
    expect(await read(fields)).toEqual(answer);
  });

  test('a negative limit', async () => {
    expect(await read({ limit: -1 })).toEqual(invalid('limit', 'not negative'));
  });

  test.each<[string, object, Answer]>([
    ['no group', { topic: 'nothing', group: '' }, invalid('group', NAME_200)],
    ['an unknown topic', { topic: 'nothing', group: 'g' }, TOPIC_NOT_FOUND],
    ['an unknown group', { topic: 'orders', group: 'nothing' }, GROUP_NOT_FOUND],
  ])('DescribeGroup of %s', async (_, fields, answer) => {
    const { describeGroup } = PartitionServiceService;
    const call = under.at(server).call(describeGroup, { topic: '', group: '', ...fields });
    expect(await answerOf(call)).toEqual(answer);
  });
});

test('every process is unharmed', () => under.expectUnharmed());
