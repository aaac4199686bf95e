import {
  AdminServiceService,
  BrokerState,
  CoordinationServiceService,
  HoldBrokerLeaseRequest,
  HoldConsumerLeaseRequest,
  type HoldConsumerLeaseRequest_Join,
} from '@hermes/contracts';
import { eventually } from '@hermes/testing';

import { Bystanders } from '../harness/bystanders.js';
import { type Answer, answerOf, answerOfStatus, Caller, endOf, invalid, type Method, OK } from '../harness/caller.js';
import { ClusterUnderAbuse } from '../harness/cluster-under-abuse.js';
import { frameOf, requestRaw, statusOf } from '../harness/raw-http2.js';

const { holdBrokerLease, holdConsumerLease } = CoordinationServiceService;

/** Of one connection, of all that say nothing, and of one stream. */
const LIMITS = { streams: 100, silent: 1_000, members: 10_000 };
const QUOTA: Answer = { status: 'RESOURCE_EXHAUSTED', reason: 'QUOTA_EXCEEDED' };
const FLOOD: Answer = { status: 'RESOURCE_EXHAUSTED', reason: 'BACKPRESSURE' };
const EXPIRED: Answer = { status: 'UNAVAILABLE', reason: 'PARTITION_MOVING' };
const SILENCE = invalid('kind', 'a first message within 10000 ms');
/** On a busy machine. */
const SOON = { deadlineMs: 60_000 };
const under = new ClusterUnderAbuse();
let bystanders: Bystanders;
const callers: Caller[] = [];

beforeAll(async () => {
  await under.start();
  bystanders = await Bystanders.start(under);
});

afterAll(async () => {
  callers.forEach((caller) => {
    caller[Symbol.dispose]();
  });
  await under.stop();
});

/** A peer with a connection of its own. */
function peer(): Caller {
  const caller = new Caller(under.cluster.metaEndpoint);
  callers.push(caller);
  return caller;
}

function register(broker: string): HoldBrokerLeaseRequest {
  const value = { broker, incarnation: 7, endpoint: '127.0.0.1:1', brokerGroup: 'strangers' };
  return HoldBrokerLeaseRequest.fromPartial({ kind: { $case: 'register', value } });
}

const brokerBeat = HoldBrokerLeaseRequest.fromPartial({ kind: { $case: 'heartbeat', value: { sequence: 1 } } });
const consumerBeat = HoldConsumerLeaseRequest.fromPartial({ kind: { $case: 'heartbeat', value: { sequence: 1 } } });

function join(member: number, fields: Partial<HoldConsumerLeaseRequest_Join> = {}): HoldConsumerLeaseRequest {
  const value = { member, topic: 'orders', group: 'billing', consumer: `c-${member}`, ...fields };
  return HoldConsumerLeaseRequest.fromPartial({ kind: { $case: 'join', value } });
}

/** How a stream ends that says this, and then the other without a pause: faster than a gRPC library would. */
async function flood<Request>(
  { path, requestSerialize }: Method<Request, unknown>,
  first: Request,
  next: Request,
): Promise<Answer> {
  const frames = Buffer.concat(Array.from({ length: 60_000 }, () => frameOf(requestSerialize(next))));
  const body = Buffer.concat([frameOf(requestSerialize(first)), frames]);
  return answerOfStatus(statusOf(await requestRaw(under.cluster.metaEndpoint, { ':path': path }, body)));
}

describe('streams that say nothing', () => {
  test('once they have said who they are end with their leases', async () => {
    const broker = peer().open(holdBrokerLease, [register('mute')]);
    const consumers = peer().open(holdConsumerLease, [join(1, { consumer: 'mute' })]);
    expect(await Promise.all([endOf(broker as never), endOf(consumers as never)])).toEqual([EXPIRED, EXPIRED]);
  });

  test('end, keep nobody out who has something to say, and take no more than a part of the places', async () => {
    const silent: Promise<Answer>[] = [];
    for (let opened = 0; opened <= LIMITS.silent; opened += LIMITS.streams) {
      const caller = peer();
      const streams = Array.from({ length: LIMITS.streams }, () => caller.open(holdBrokerLease));
      silent.push(...streams.map((stream) => endOf(stream as never)));
      // The places of this connection are taken once its last stream is refused.
      await eventually(async () => {
        expect(await answerOf(caller.converseToEnd(holdBrokerLease, []))).toEqual(QUOTA);
      }, SOON);
    }
    expect(await answerOf(peer().converse(holdBrokerLease, [register('one-with-a-word'), brokerBeat]))).toEqual(OK);
    const ends = await Promise.all(silent);
    const gaveWay = ends.filter(({ reason }) => reason === 'QUOTA_EXCEEDED');
    expect(gaveWay.length).toBeGreaterThanOrEqual(LIMITS.streams);
    expect(ends.filter(({ reason }) => reason !== 'QUOTA_EXCEEDED')).toEqual(
      Array.from({ length: ends.length - gaveWay.length }, () => SILENCE),
    );
  });
});

describe('a flood', () => {
  test('of heartbeats ends BACKPRESSURE', async () => {
    const brokerBeats = flood(holdBrokerLease, register('flooder'), brokerBeat);
    const consumerBeats = flood(holdConsumerLease, join(1), consumerBeat);
    expect(await Promise.all([brokerBeats, consumerBeats])).toEqual([FLOOD, FLOOD]);
  });

  test('of consumers: a thousand come and go; more than a stream may have are refused', async () => {
    const leave = (member: number) =>
      HoldConsumerLeaseRequest.fromPartial({ kind: { $case: 'leave', value: { member } } });
    const members = Array.from({ length: LIMITS.members + 1 }, (_, index) => index + 1);
    const few = members.slice(0, 1_000);
    const fewFrames = [...few.map((member) => join(member)), consumerBeat, ...few.map(leave), consumerBeat];
    expect(await answerOf(peer().converseToEnd(holdConsumerLease, fewFrames))).toEqual(OK);
    const many = members.map((member) => join(member));
    expect(await answerOf(peer().converseToEnd(holdConsumerLease, many))).toEqual(QUOTA);
  });

  test('of made-up brokers: each is gone when its stream is', async () => {
    const { getCluster } = AdminServiceService;
    for (let first = 0; first < 1_000; first += LIMITS.streams) {
      const names = Array.from({ length: LIMITS.streams }, (_, nth) => `made-up-${first + nth}`);
      const caller = peer();
      await Promise.all(names.map((name) => caller.converse(holdBrokerLease, [register(name), brokerBeat])));
    }
    await eventually(async () => {
      const { brokers } = await under.at('meta-server').call(getCluster, {});
      expect(brokers.filter(({ state }) => state === BrokerState.ACTIVE).map(({ name }) => name)).toEqual(['broker-0']);
    }, SOON);
  });
});

test('others are undisturbed', async () => {
  const longestMs = await bystanders.expectUndisturbed();
  process.stdout.write(`beside floods: longest publish ${longestMs.toFixed(0)} ms\n`);
});

test('every process is unharmed', () => under.expectUnharmed());
