import { connect, type OutgoingHttpHeaders } from 'node:http2';

import {
  AdminServiceService,
  CoordinationServiceService,
  MessagingServiceService,
  PartitionServiceService,
  PublishRequest,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';
import { status } from '@grpc/grpc-js';

import { type Answer, answerOf, invalid, OK } from '../harness/caller.js';
import { ClusterUnderAbuse, type Server } from '../harness/cluster-under-abuse.js';
import { frameOf, HEADERS, requestRaw } from '../harness/raw-http2.js';
import { varint } from '../harness/varint.js';

const MIB = 1024 * 1024;
/** What a decoder refuses, and gRPC's own answers, have no reason. */
const damaged = { status: 'INTERNAL' };
const UNKNOWN: Answer = { status: 'UNIMPLEMENTED' };

const under = new ClusterUnderAbuse();
beforeAll(() => under.start());
afterAll(() => under.stop());

const publish = MessagingServiceService.publish;
const good = publish.requestSerialize(PublishRequest.fromPartial({ topic: 'orders', messages: [{ key: 'k' }] }));
const bytes = (...parts: (number | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
const nines = (count: number, byte: number): Buffer => Buffer.alloc(count, byte);
const topic = bytes(0x0a, 6, Buffer.from('orders'));

/** Bytes that are no request of any service, by what is wrong with them. */
const DAMAGE: [string, Buffer][] = [
  ['random bytes', bytes(0xff, 0x12, 0x99, 0x00)],
  ['a string cut short', bytes(0x0a, 9, Buffer.from('ord'))],
  ['invalid UTF-8', bytes(0x0a, 2, 0xc3, 0x28)],
  ['field 0', bytes(0x00, 0x01)],
  ['wire type 6', bytes(0x0e)],
  ['wire type 7', bytes(0x0f)],
  ['the end of a group that did not begin', bytes(0x0c)],
  ['20,000 nested groups', nines(20_000, 0x7b)],
];

describe.each<[Server, string]>([
  ['gateway', publish.path],
  ['gateway', MessagingServiceService.acknowledge.path],
  ['gateway', PartitionServiceService.describeTopic.path],
  ['broker', publish.path],
  ['broker', MessagingServiceService.acknowledge.path],
  ['meta-server', AdminServiceService.getTopic.path],
])('the %s, asked for %s', (server, path) => {
  const send = (request: Buffer): Promise<Answer> => answerOf(under.at(server).send(path, request));

  test.each(DAMAGE)('refuses %s', async (_, request) => {
    expect(await send(request)).toMatchObject(damaged);
  });

  test('passes over fields of later versions', async () => {
    const unknown = bytes(0xb8, 0x3e, 1);
    const known = await send(path === publish.path ? good : topic);
    expect(await send(bytes(path === publish.path ? good : topic, unknown))).toEqual(known);
  });

  test('takes no message above the limit of the transport', async () => {
    expect(await send(Buffer.alloc(10 * MIB + 1))).toEqual({ status: 'RESOURCE_EXHAUSTED' });
  });
});

describe('integers beyond 2^53', () => {
  const huge = bytes(nines(9, 0x80), 1);
  const limit = 'an integer below 2^53';

  test.each<[Server, string, Buffer, Answer]>([
    ['gateway', publish.path, bytes(good, 0x20, huge), invalid('producer_id', limit)],
    ['broker', publish.path, bytes(good, 0x28, huge), invalid('first_sequence', limit)],
    ['gateway', AdminServiceService.createTopic.path, bytes(0x0a, 11, 0x70, huge), invalid('uid', limit)],
    [
      'meta-server',
      AdminServiceService.createTopic.path,
      bytes(0x0a, 11, 0x40, huge),
      invalid('retention_bytes', limit),
    ],
  ])('%s %s', async (server, path, request, answer) => {
    expect(await answerOf(under.at(server).send(path, request))).toEqual(answer);
  });

  test('of a broker that registers', async () => {
    const { holdBrokerLease } = CoordinationServiceService;
    const call = under.at('meta-server').converse(holdBrokerLease, [bytes(0x0a, 11, 0x10, huge)]);
    expect(await answerOf(call)).toEqual(invalid('incarnation', limit));
  });
});

describe.each(['gateway', 'broker'] as const)('the size of requests at the %s', (server) => {
  const send = (path: string, request: Buffer): Promise<Answer> => answerOf(under.at(server).send(path, request));

  test('ends at 4 MiB for calls that carry no message', async () => {
    const padding = (size: number): Buffer => bytes(0xba, 0x3e, varint(size), Buffer.alloc(size));
    const { path } = PartitionServiceService.describeTopic;
    const room = 4 * MIB - topic.length - padding(0).length;
    const answer = await send(path, bytes(topic, padding(room - 10)));
    expect(answer).toEqual(OK);
    expect(await send(path, bytes(topic, padding(room + 10)))).toEqual(invalid('request', `at most ${4 * MIB} bytes`));
  });

  test('leaves room for one message of the largest topic', async () => {
    const one = (size: number): Buffer =>
      publish.requestSerialize(PublishRequest.fromPartial({ topic: 'wide', messages: [{ body: Buffer.alloc(size) }] }));
    expect(await send(publish.path, one(8 * MIB))).toEqual(OK);
  });
});

describe.each(['gateway', 'broker', 'meta-server'] as const)('the protocol at the %s', (server) => {
  const path = server === 'meta-server' ? AdminServiceService.getTopic.path : publish.path;
  const raw = (headers: OutgoingHttpHeaders, body?: Buffer) =>
    requestRaw(endpointOf(server), { ':path': path, ...headers }, body);

  test.each(['/hermes.messaging.v1.MessagingService/Nothing', '/hermes.nothing.v1.Nothing/Nothing', '/', '/%00'])(
    'knows no method %s',
    async (unknown) => {
      expect(await answerOf(under.at(server).send(unknown, Buffer.alloc(0)))).toEqual(UNKNOWN);
    },
  );

  test('answers a GET and a foreign content type without running anything', async () => {
    const get = await raw({ ':method': 'GET' });
    expect(get['grpc-status'] ?? get[':status']).not.toBe('0');
    const json = await raw({ 'content-type': 'application/json' }, Buffer.from('{}'));
    expect(json[':status']).toBe(415);
  });

  test('refuses a frame that is shorter than its length', async () => {
    const cut = await raw({}, bytes(0, 0, 0, 0, 99, Buffer.from('short')));
    expect(cut['grpc-status']).not.toBe('0');
    const three = await raw({}, bytes(0, 0, 0));
    expect(three['grpc-status']).not.toBe('0');
  });

  test('refuses compression that it does not know, and what is no deadline', async () => {
    const body = frameOf(server === 'meta-server' ? topic : good);
    expect((await raw({ 'grpc-encoding': 'br' }, bytes(1, body.subarray(1))))['grpc-status']).toBe(
      String(status.UNIMPLEMENTED),
    );
    expect((await raw({ 'grpc-timeout': 'banana' }, body))['grpc-status']).toBe(String(status.INTERNAL));
    expect((await raw({ 'grpc-timeout': '99999999H' }, body))['grpc-status']).toBe('0');
  });
});

describe.each(['gateway', 'broker'] as const)('deadlines and cancelling at the %s', (server) => {
  /** Messages that are stored for the only partition of `wide`. */
  const stored = async (): Promise<number> => {
    const { lanes } = await under.at('broker').call(PartitionServiceService.describeTopic, { topic: 'wide' });
    return lanes.reduce((sum, { nextOffset }) => sum + nextOffset, 0);
  };
  const wide = frameOf(
    publish.requestSerialize(PublishRequest.fromPartial({ topic: 'wide', messages: [{ key: 'late' }] })),
  );

  test('a call whose deadline has passed stores nothing', async () => {
    const before = await stored();
    const answer = await requestRaw(endpointOf(server), { ':path': publish.path, 'grpc-timeout': '0m' }, wide);
    expect(answer['grpc-status']).toBe(String(status.DEADLINE_EXCEEDED));
    expect(await stored()).toBe(before);
  });

  test('a call that is cancelled before it is whole stores nothing', async () => {
    const before = await stored();
    const session = connect(`http://${endpointOf(server)}`);
    const half = session.request({ ...HEADERS, ':path': publish.path });
    half.on('error', () => undefined);
    half.write(wide.subarray(0, wide.length - 1));
    await new Promise((resolve) => half.once('ready', resolve));
    const closed = new Promise((resolve) => half.once('close', resolve));
    half.close(8);
    await closed;
    session.close();
    expect(await stored()).toBe(before);
  });

  test('streams that are cancelled leave nothing open', async () => {
    const session = connect(`http://${endpointOf(server)}`);
    const { path } = PartitionServiceService.readMessages;
    const follow = frameOf(bytes(topic, 0x38, 1));
    const streams = Array.from({ length: 100 }, () => {
      const stream = session.request({ ...HEADERS, ':path': path });
      stream.on('error', () => undefined);
      stream.end(follow);
      return stream;
    });
    await eventually(async () => (await openStreams(server, path)) === streams.length, { deadlineMs: 20_000 });
    streams.forEach((stream) => {
      stream.close(8);
    });
    await eventually(async () => (await openStreams(server, path)) === 0, { deadlineMs: 20_000 });
    session.close();
  });
});

test('every process is unharmed', () => under.expectUnharmed());

function endpointOf(server: Server): string {
  const { gatewayEndpoint, metaEndpoint, brokers } = under.cluster;
  return { gateway: gatewayEndpoint, broker: brokers[0]!.endpoint, 'meta-server': metaEndpoint }[server];
}

/** How many streams of a method are open, as the server's metrics tell. */
async function openStreams(server: Server, path: string): Promise<number> {
  const { gatewayOpsPort, brokers } = under.cluster;
  const port = server === 'gateway' ? gatewayOpsPort : brokers[0]!.opsPort;
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((one) => one.includes('grpc_open_streams{') && one.includes(path));
  return Number(line?.split(' ').at(-1) ?? 0);
}
