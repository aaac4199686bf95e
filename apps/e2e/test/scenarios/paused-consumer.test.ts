import { connect, GroupMode, type Hermes, stringCodec } from '@hermes/client';
import { eventually, FaultProxy } from '@hermes/testing';

import { Cluster } from '../harness/cluster.js';
import { ConsumerProcess } from '../harness/consumer-process.js';
import { settledAll } from '../harness/drain.js';
import { type HermesProcess } from '../harness/hermes-process.js';

const LEASE_TTL_MS = 2_000;
const PATIENCE = { deadlineMs: 30_000 };
const ROUNDS_MAX = 3;
const GROUP = 'billing';

let cluster: Cluster;
let hermes: Hermes;
let topics = 0;

beforeAll(async () => {
  cluster = await Cluster.start({ brokers: 1, leaseTtlMs: LEASE_TTL_MS });
  hermes = await connect({ gateway: cluster.gatewayEndpoint });
});

afterAll(async () => {
  await hermes.close();
  await cluster[Symbol.asyncDispose]();
});

/** A topic of one partition with a group. */
async function topicWith(mode: GroupMode): Promise<string> {
  topics += 1;
  const topic = `topic-${topics}`;
  await hermes.admin.createTopic({ name: topic, partitions: 1 });
  await hermes.admin.createGroup({ topic, name: GROUP, mode });
  return topic;
}

async function publish(topic: string, body: string): Promise<void> {
  await hermes.producer(topic, { codec: stringCodec }).publish(body, { key: body });
}

/** A consumer that finds the owners itself, and holds its lease itself. */
const direct = (topic: string, name: string): ConsumerProcess =>
  new ConsumerProcess({ connect: { metaServers: cluster.metaEndpoints }, topic, group: GROUP, name });

describe('a consumer process that stands still for longer than its lease', () => {
  /** Its message goes to another one; what it says when it wakes is refused with `refusal`, and changes nothing. */
  const takesOver = async (mode: GroupMode, refusal: string): Promise<void> => {
    const topic = await topicWith(mode);
    await using paused = direct(topic, 'paused');
    await publish(topic, 'a');
    const [held] = await paused.has(1);
    await using other = direct(topic, 'other');
    paused.signal('SIGSTOP');
    const [taken] = await other.has(1);
    expect(taken).toMatchObject({ id: held!.id, attempt: 1 });
    // Where one consumer at a time has the partition, its number tells them apart.
    expect(taken!.fencingToken > held!.fencingToken).toBe(mode === GroupMode.EXCLUSIVE);

    paused.signal('SIGCONT');
    expect(await paused.acknowledge(held!.id)).toBe(refusal);
    expect(await other.acknowledge(taken!.id)).toBe('OK');
    await settledAll(hermes, topic, GROUP);
    expect([paused.deliveries.length, other.deliveries.length]).toEqual([1, 1]);

    // It has joined again, and gets work once its successor is gone.
    await other[Symbol.asyncDispose]();
    await publish(topic, 'b');
    const [, next] = await paused.has(2);
    expect(await paused.acknowledge(next!.id)).toBe('OK');
    expect(next!.fencingToken >= taken!.fencingToken).toBe(true);
    await settledAll(hermes, topic, GROUP);
  };

  it('loses its messages to another one, of which it can settle none; later it works again', async () => {
    // By its lease where that is what it holds the partition by; elsewhere by its silence, which takes longer.
    await Promise.all([
      takesOver(GroupMode.EXCLUSIVE, 'FENCED'),
      takesOver(GroupMode.KEY_ORDERED, 'STALE_DELIVERY'),
      takesOver(GroupMode.SHARED, 'STALE_DELIVERY'),
    ]);
  });
});

describe('a consumer process that stands still, and whose connection breaks meanwhile', () => {
  /** Whether it came back in time, which a machine that stands still for seconds itself prevents. */
  const resumes = async (mode: GroupMode): Promise<boolean> => {
    const topic = await topicWith(mode);
    const [host = '', port] = cluster.gatewayEndpoint.split(':');
    await using proxy = await FaultProxy.open({ host, port: Number(port) });
    const gateway = `${proxy.host}:${proxy.port}`;
    await using paused = new ConsumerProcess({ connect: { gateway }, topic, group: GROUP, name: 'paused' });
    await publish(topic, 'a');
    const [held] = await paused.has(1);
    await using other = direct(topic, 'other');
    await eventually(async () => (await leaseStreams()) === 2, PATIENCE);
    paused.signal('SIGSTOP');
    proxy.reset();
    await eventually(async () => (await subscriptions()) === 0, PATIENCE);
    paused.signal('SIGCONT');
    await eventually(async () => (await subscriptions()) === 1, PATIENCE);
    if ((await paused.acknowledge(held!.id)) !== 'OK') {
      return false;
    }
    await settledAll(hermes, topic, GROUP);
    expect([paused.deliveries.length, other.deliveries.length]).toEqual([1, 0]);
    return true;
  };

  const metric = async (process: HermesProcess, name: string): Promise<number> => {
    const { text } = await process.ops('/metrics');
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  /** Open ones at the gateway. */
  const subscriptions = (): Promise<number> => metric(cluster.gateway, 'hermes_gateway_subscriptions');
  /** Processes whose consumers hold leases: the gateway is one. */
  const leaseStreams = (): Promise<number> => metric(cluster.meta, 'hermes_meta_server_consumer_lease_streams');

  it.each([
    ['EXCLUSIVE', GroupMode.EXCLUSIVE],
    ['KEY_ORDERED', GroupMode.KEY_ORDERED],
  ] as const)('in a group that is %s: keeps what it had when it is back in time', async (_, mode) => {
    let isResumed = false;
    for (let round = 1; !isResumed && round <= ROUNDS_MAX; round += 1) {
      isResumed = await resumes(mode);
    }
    expect(isResumed).toBe(true);
  });
});
