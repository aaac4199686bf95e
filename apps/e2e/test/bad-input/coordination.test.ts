import { connect } from '@hermes/client';
import {
  AdminServiceService,
  type Assignment,
  CoordinationServiceService,
  Durability,
  GroupMode,
  HoldBrokerLeaseRequest,
  HoldBrokerLeaseRequest_Register,
  type HoldBrokerLeaseResponse,
  HoldConsumerLeaseRequest,
  type HoldConsumerLeaseResponse,
  Topic,
  WatchRoutesRequest,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Bystanders } from '../harness/bystanders.js';
import { type Answer, answerOf, endOf, invalid, OK } from '../harness/caller.js';
import { ClusterUnderAbuse } from '../harness/cluster-under-abuse.js';
import { varint } from '../harness/varint.js';

const { holdBrokerLease, holdConsumerLease, watchRoutes } = CoordinationServiceService;
const { createTopic, listPartitions } = AdminServiceService;

const MIB = 1024 * 1024;
const NAME_128 = "a letter or digit, then letters, digits, '.', '_', '-'; 1 to 128 bytes";
const NAME_200 = NAME_128.replace('128', '200');
const ENDPOINT = 'host:port, as others reach it';
const WEIGHT = '0.1 to 100; 0 = 1';
const BELOW_2_53 = 'an integer below 2^53';
const FIRST = invalid('kind', 'register comes first, and once');
const KNOWN = invalid('kind', 'one that this server knows');
const GROUP_NOT_FOUND: Answer = { status: 'NOT_FOUND', reason: 'GROUP_NOT_FOUND' };
const FENCED: Answer = { status: 'ABORTED', reason: 'FENCED' };
const IN_USE: Answer = { status: 'FAILED_PRECONDITION', reason: 'RESOURCE_IN_USE' };
/** What a decoder refuses, and gRPC's own answers, have no reason. */
const GARBAGE: Answer = { status: 'INTERNAL' };
const TOO_LARGE: Answer = { status: 'RESOURCE_EXHAUSTED' };
const SOON = { deadlineMs: 20_000 };

interface Kind {
  readonly $case: string;
  readonly value: object;
}

/** What a broker says first; this one is no process. */
const REGISTER = {
  $case: 'register',
  value: { broker: 'stranger', incarnation: 7, endpoint: '127.0.0.1:1', brokerGroup: 'strangers' },
};
const JOIN = { $case: 'join', value: { member: 1, topic: 'orders', group: 'billing', consumer: 'stranger' } };

const under = new ClusterUnderAbuse();
let bystanders: Bystanders;
beforeAll(async () => {
  await under.start();
  bystanders = await Bystanders.start(under);
});
afterAll(() => under.stop());

const meta = () => under.at('meta-server');
const brokerFrames = (kinds: readonly (Kind | Buffer)[]) =>
  kinds.map((kind) =>
    Buffer.isBuffer(kind) ? kind : HoldBrokerLeaseRequest.fromPartial({ kind: kind as { $case: 'draining' } }),
  );
const consumerFrames = (kinds: readonly (Kind | Buffer)[]) =>
  kinds.map((kind) =>
    Buffer.isBuffer(kind) ? kind : HoldConsumerLeaseRequest.fromPartial({ kind: kind as { $case: 'leave' } }),
  );
const broker = (...kinds: (Kind | Buffer)[]): Promise<Answer> =>
  answerOf(meta().converseToEnd(holdBrokerLease, brokerFrames(kinds)));
const consumer = (...kinds: (Kind | Buffer)[]): Promise<Answer> =>
  answerOf(meta().converseToEnd(holdConsumerLease, consumerFrames(kinds)));
const changed = (fields: object): Kind => ({ ...REGISTER, value: { ...REGISTER.value, ...fields } });
const joined = (fields: object): Kind => ({ ...JOIN, value: { ...JOIN.value, ...fields } });
const beat = (sequence: number, dataSources: object[] = []): Kind => ({
  $case: 'heartbeat',
  value: { sequence, dataSources },
});
const held = { topic: 'orders', partition: 0, epoch: 1_000 };
const bytes = (...parts: (number | string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))));
/** A number of 64 bits, all of them set. */
const ALL_BITS = bytes(Buffer.alloc(9, 0xff), 1);
/** A register that holds so many empty assignments. */
const empties = (count: number): Buffer => {
  const value = HoldBrokerLeaseRequest_Register.encode(HoldBrokerLeaseRequest_Register.fromPartial(REGISTER.value));
  const register = bytes(Buffer.from(value.finish()), Buffer.alloc(2 * count, Buffer.from([0x4a, 0])));
  return bytes(0x0a, varint(register.length), register);
};

describe('a broker that', () => {
  test.each<[string, (Kind | Buffer)[], Answer]>([
    ['says nothing first', [Buffer.alloc(0)], FIRST],
    ['begins with a heartbeat', [beat(1)], FIRST],
    ['begins with a release', [{ $case: 'released', value: held }], FIRST],
    ['registers twice', [REGISTER, REGISTER], FIRST],
    ['says what no version knows', [REGISTER, bytes(0x7a, 0)], KNOWN],
    ['says two things at once, the last of them known', [REGISTER, bytes(0x1a, 0, 0x12, 2, 8, 1)], OK],
    ['has no name', [changed({ broker: '' })], invalid('register.broker', NAME_128)],
    ['has a name of 129 bytes', [changed({ broker: 'b'.repeat(129) })], invalid('register.broker', NAME_128)],
    ['has a path for its name', [changed({ broker: '../b' })], invalid('register.broker', NAME_128)],
    [
      'has no incarnation',
      [changed({ incarnation: 0 })],
      invalid('register.incarnation', 'a random number of the process, not 0'),
    ],
    ['has an incarnation of 64 bits', [bytes(0x0a, 11, 0x10, ALL_BITS)], invalid('incarnation', BELOW_2_53)],
    ...['', 'here', 'here:0', 'here:65536', 'here:-1', `${'h'.repeat(260)}:1`].map(
      (endpoint): [string, Kind[], Answer] => [
        `is reached at "${endpoint}"`,
        [changed({ endpoint })],
        invalid('register.endpoint', ENDPOINT),
      ],
    ),
    ['is in no zone that can be', [changed({ zone: 'a b' })], invalid('register.zone', NAME_128)],
    ['is in no group that can be', [changed({ brokerGroup: '_' })], invalid('register.broker_group', NAME_128)],
    ['has a path for its directory', [changed({ dataDirectory: '/' })], invalid('register.data_directory', NAME_128)],
    ['has a host of 256 bytes', [changed({ host: 'h'.repeat(256) })], invalid('register.host', 'at most 255 bytes')],
    [
      'owns less than nothing',
      [changed({ capacity: -1 })],
      invalid('register.capacity', 'not negative; 0 = any number'),
    ],
    ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 0.01, 100.1].map((weight): [string, Kind[], Answer] => [
      `weighs ${weight}`,
      [changed({ weight })],
      invalid('register.weight', WEIGHT),
    ]),
    ...[-1, 1_024, 2 ** 31 - 1].map((partition): [string, Kind[], Answer] => [
      `holds partition ${partition}`,
      [changed({ held: [{ ...held, partition }] })],
      invalid('register.held[0].partition', '0 to 1023'),
    ]),
    [
      'holds what has no topic',
      [changed({ held: [{ ...held, topic: '' }] })],
      invalid('register.held[0].topic', NAME_200),
    ],
    ['holds more than there can be', [empties(100_001)], invalid('register.held', 'at most 100000 assignments')],
    ['holds a million', [empties(1_000_000)], GARBAGE],
    ['says more than 10 MiB', [Buffer.alloc(10 * MIB + 1)], TOO_LARGE],
    ['sends heartbeat 0', [REGISTER, beat(0)], invalid('heartbeat.sequence', 'grows from 1')],
    ['sends a heartbeat of 64 bits', [REGISTER, bytes(0x12, 11, 0x08, ALL_BITS)], invalid('sequence', BELOW_2_53)],
    [
      'finds a durability that nobody knows',
      [REGISTER, beat(1, [Object.assign({ dataSource: 'db', durability: Durability.DURABLE }, { durability: 99 })])],
      invalid('heartbeat.data_sources[0].durability', 'a value that this server knows'),
    ],
    ['releases nothing', [REGISTER, bytes(0x1a, 0)], invalid('released.topic', NAME_200)],
    ['is ready with nowhere', [REGISTER, bytes(0x32, 2, 0x0a, 0)], invalid('ready.assignments[0].topic', NAME_200)],
    ['finds no epoch in nothing', [REGISTER, bytes(0x2a, 0)], invalid('epoch_too_low.assignment', 'required')],
    ['finds an epoch of 64 bits', [REGISTER, bytes(0x2a, 11, 0x10, ALL_BITS)], invalid('observed', BELOW_2_53)],
    ['takes the name of one that lives', [changed({ broker: 'broker-0' }), beat(1)], IN_USE],
  ])('%s', async (_, kinds, answer) => {
    expect(await broker(...kinds)).toEqual(answer);
  });
});

describe('a consumer that', () => {
  const member = 'a number from 1, chosen by the client';
  const told = ($case: string, value: object): Kind => ({ $case, value });

  test.each<[string, (Kind | Buffer)[], Answer]>([
    ['says nothing', [Buffer.alloc(0)], KNOWN],
    ['says what no version knows', [JOIN, bytes(0x7a, 0)], KNOWN],
    ['has not joined', [beat(1)], FENCED],
    ['leaves first', [told('leave', { member: 1 })], FENCED],
    ['is number 0', [joined({ member: 0 })], invalid('join.member', member)],
    ['is number -1', [joined({ member: -1 })], invalid('join.member', member)],
    ['has no name', [joined({ consumer: '' })], invalid('join.consumer', NAME_128)],
    ['has a name of 129 bytes', [joined({ consumer: 'c'.repeat(129) })], invalid('join.consumer', NAME_128)],
    ['is in no zone that can be', [joined({ zone: '/' })], invalid('join.zone', NAME_128)],
    [
      'wants less than nothing',
      [joined({ maxPartitions: -1 })],
      invalid('join.max_partitions', 'not negative; 0 = any number'),
    ],
    ['joins no group', [joined({ group: '' })], invalid('join.group', NAME_200)],
    ['joins an unknown group', [joined({ group: 'nothing' })], GROUP_NOT_FOUND],
    ['joins an unknown topic', [joined({ topic: 'nothing' })], GROUP_NOT_FOUND],
    [
      'holds partition 1024',
      [joined({ held: [{ ...held, partition: 1_024 }] })],
      invalid('join.held[0].partition', '0 to 1023'),
    ],
    [
      'holds more than there can be',
      [joined({ held: Array(1_025).fill(held) })],
      invalid('join.held', 'at most 1024 assignments'),
    ],
    ['sends heartbeat 0', [JOIN, beat(0)], invalid('heartbeat.sequence', 'grows from 1')],
    [
      'gives back as number 0',
      [JOIN, told('released', { member: 0, assignment: held })],
      invalid('released.member', member),
    ],
    ['gives back nothing', [JOIN, told('released', { member: 1 })], invalid('released.assignment', 'required')],
    [
      'knows of a later holder of nothing',
      [JOIN, told('epochTooLow', { member: 1 })],
      invalid('epoch_too_low.assignment', 'required'),
    ],
    ['knows a holder of 64 bits', [JOIN, bytes(0x2a, 11, 0x18, ALL_BITS)], invalid('observed', BELOW_2_53)],
  ])('%s', async (_, kinds, answer) => {
    expect(await consumer(...kinds)).toEqual(answer);
  });
});

describe.each([holdBrokerLease, holdConsumerLease])('$path', (method) => {
  test.each([
    ['random bytes', bytes(0xff, 0x12, 0x99, 0x00)],
    ['a message cut short', bytes(0x0a, 9, 'cut')],
    ['a name that is not UTF-8', bytes(0x0a, 4, 0x22, 2, 0xc3, 0x28)],
    ['field 0', bytes(0x00, 0x01)],
    ['wire type 7', bytes(0x0f)],
    ['20,000 nested groups', Buffer.alloc(20_000, 0x7b)],
  ])('refuses %s', async (_, garbage) => {
    const stream = meta().open(method as typeof holdBrokerLease, [garbage]);
    expect(await endOf(stream as never)).toEqual(GARBAGE);
  });
});

describe('routes', () => {
  const watch = (topics: string[]) => meta().firstFrame(watchRoutes, WatchRoutesRequest.fromPartial({ topics }));

  test('of a topic that cannot be, or of too many, are refused; one that is not there has none', async () => {
    expect(await answerOf(watch(['_']))).toEqual(invalid('topics[0]', NAME_200));
    const many = Array.from({ length: 101 }, (_, nth) => `t-${nth}`);
    expect(await answerOf(watch(many))).toEqual(invalid('topics', 'at most 100 names; none = all topics'));
    expect((await watch(['nothing']))?.topics).toEqual([{ topic: 'nothing', partitionCount: 0, routes: [] }]);
  });
});

describe('lies', () => {
  const partitionsOf = async (topic: string) =>
    (await meta().call(listPartitions, { topic, pageToken: '' })).partitions.map(
      ({ partition, broker: owner, epoch, state }) => ({ topic, partition, owner, epoch, state }),
    );

  test('about partitions of others, or that do not exist, change nothing', async () => {
    const before = await partitionsOf('orders');
    const claims = [
      ...before.flatMap(({ partition, epoch }) =>
        [epoch - 1, epoch, epoch, epoch + 1].map((claimed) => ({ topic: 'orders', partition, epoch: claimed })),
      ),
      { ...held, partition: 1_023 },
      { ...held, topic: 'nothing' },
    ];
    const said = claims.flatMap((claim) => [
      { $case: 'released', value: claim },
      { $case: 'epochTooLow', value: { assignment: claim, observed: 2 ** 53 - 1 } },
      { $case: 'ready', value: { assignments: [{ ...claim, revision: 2 ** 53 - 1 }] } },
    ]);
    expect(await broker(changed({ held: claims }), ...said, beat(1))).toEqual(OK);
    const asConsumer = claims.flatMap((assignment) => [
      { $case: 'released', value: { member: 1, assignment } },
      { $case: 'released', value: { member: 2, assignment } },
      { $case: 'epochTooLow', value: { member: 2, assignment, observed: 2 ** 53 - 1 } },
    ]);
    expect(await consumer(joined({ held: claims }), ...asConsumer, beat(1))).toEqual(OK);
    expect(await partitionsOf('orders')).toEqual(before);
  });

  test('about an epoch in storage cost few of the numbers that there are', async () => {
    const stream = meta().open(holdBrokerLease);
    const say = (...kinds: Kind[]): void => {
      brokerFrames(kinds).forEach((frame) => stream.write(frame));
    };
    const assigned: Assignment[] = [];
    stream.on('data', ({ kind }: HoldBrokerLeaseResponse) => {
      if (kind?.$case === 'grant' && kind.value.changed) {
        assigned.splice(0, assigned.length, ...kind.value.assignments);
        say({ $case: 'ready', value: { assignments: assigned } });
      }
    });
    say(changed({ dataDirectory: 'strangers' }), beat(1));
    const topic = Topic.fromPartial({ name: 'strange', partitions: 1, brokerGroup: 'strangers' });
    await meta().call(createTopic, { topic });
    expect(assigned.map(({ epoch }) => epoch)).toEqual([1]);
    say({ $case: 'epochTooLow', value: { assignment: assigned[0]!, observed: 2 ** 53 - 1 } });
    await eventually(() => {
      expect(assigned.map(({ epoch }) => epoch)).toEqual([2 ** 20 + 2]);
    }, SOON);
    stream.end();
    expect(await endOf(stream as never)).toEqual(OK);
  });

  test('about later consumers lead nowhere that honest ones could not follow', async () => {
    await using hermes = await connect({ gateway: under.cluster.gatewayEndpoint });
    await hermes.admin.createTopic({ name: 'exclusive', partitions: 1 });
    await hermes.admin.createGroup({ topic: 'exclusive', name: 'strangers', mode: GroupMode.EXCLUSIVE });
    const stream = meta().open(holdConsumerLease);
    let epoch = 0;
    stream.on('data', ({ kind }: HoldConsumerLeaseResponse) => {
      if (kind?.$case === 'grant' && kind.value.changed) {
        epoch = kind.value.assignments[0]?.epoch ?? 0;
      }
    });
    const tell = (observed: number): void => {
      const assignment = { topic: 'exclusive', partition: 0, epoch };
      consumerFrames([{ $case: 'epochTooLow', value: { member: 1, assignment, observed } }, beat(1)]).forEach((frame) =>
        stream.write(frame),
      );
    };
    consumerFrames([joined({ topic: 'exclusive', group: 'strangers' })]).forEach((frame) => stream.write(frame));
    await eventually(() => epoch > 0, SOON);
    const granted = epoch;
    tell(2 ** 53 - 1);
    tell(granted + 2 ** 40);
    await eventually(() => {
      expect(epoch).toBe(granted + 2 ** 40 + 1);
    }, SOON);
    stream.end();
    expect(await endOf(stream as never)).toEqual(OK);
    await hermes.producer('exclusive').publish('for whoever comes');
    const honest = hermes.consumer('exclusive', 'strangers', { name: 'stranger' });
    for await (const delivery of honest) {
      await delivery.ack();
      break;
    }
    await honest.drain({ deadlineMs: 5_000 });
  });
});

test('others are undisturbed', async () => {
  const longestMs = await bystanders.expectUndisturbed();
  process.stdout.write(`beside lies: longest publish ${longestMs.toFixed(0)} ms\n`);
});

test('every process is unharmed', () => under.expectUnharmed());
