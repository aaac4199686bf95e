import { connect, GroupMode, type Hermes, stringCodec } from '@hermes/client';

import { Cluster } from '../harness/cluster.js';
import { ConsumerProcess } from '../harness/consumer-process.js';
import { settledAll } from '../harness/drain.js';
import { type Loss, Network, placesOf } from '../harness/network.js';

const LEASE_TTL_MS = 2_000;
const GROUP = 'billing';
const META = ['meta-server-0'];
const GATEWAY = ['gateway'];
const BROKER = ['broker-0'];

/** A consumer process that is cut off: of which group, from whom, how far. */
interface Cut {
  readonly title: string;
  readonly mode: GroupMode;
  readonly from: readonly string[];
  readonly loss: Loss;
}

const TAKEN_OVER: readonly (Cut & { readonly refusal: string })[] = [
  ...(['everything', 'what it says'] as const).flatMap((loss) => [
    // Its lease ends. Where it has one for itself alone, that is what it holds the partition by.
    { title: `lease, ${loss}`, mode: GroupMode.EXCLUSIVE, from: META, loss, refusal: 'FENCED' },
    { title: `gateway, ${loss}`, mode: GroupMode.EXCLUSIVE, from: GATEWAY, loss, refusal: 'FENCED' },
    { title: `owner, ${loss}`, mode: GroupMode.KEY_ORDERED, from: BROKER, loss, refusal: 'STALE_DELIVERY' },
  ]),
];
const SETTLING: readonly Cut[] = [
  { title: 'settles at the owner', mode: GroupMode.KEY_ORDERED, from: BROKER, loss: 'what it hears' },
  { title: 'settles at the gateway', mode: GroupMode.EXCLUSIVE, from: GATEWAY, loss: 'what it hears' },
];

let network: Network;
let cluster: Cluster;
let hermes: Hermes;
let topics = 0;

beforeAll(async () => {
  network = new Network([...TAKEN_OVER, ...SETTLING].map(({ title }) => title));
  cluster = await Cluster.start({
    ...{ brokers: 1, leaseTtlMs: LEASE_TTL_MS, environmentOf: network.environmentOf },
    onPlaced: (endpoints) => network.lay(placesOf(endpoints)),
  });
  hermes = await connect({ gateway: cluster.gatewayEndpoint });
});

afterAll(async () => {
  await hermes.close();
  await cluster[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

/** A topic of one partition, whose one message the consumer that will be cut off holds; and another consumer. */
async function scene({ title, mode, from }: Cut): Promise<{
  readonly topic: string;
  readonly cut: ConsumerProcess;
  readonly other: ConsumerProcess;
  readonly id: string;
}> {
  topics += 1;
  const topic = `topic-${topics}`;
  await hermes.admin.createTopic({ name: topic, partitions: 1 });
  await hermes.admin.createGroup({ topic, name: GROUP, mode });
  const direct = { metaServers: cluster.metaEndpoints };
  const cut = new ConsumerProcess({
    ...{ topic, group: GROUP, name: 'cut-off', environment: network.environmentOf(title) },
    connect: from === GATEWAY ? { gateway: cluster.gatewayEndpoint } : direct,
  });
  await hermes.producer(topic, { codec: stringCodec }).publish('a', { key: 'a' });
  const [held] = await cut.has(1);
  const other = new ConsumerProcess({ connect: direct, topic, group: GROUP, name: 'other' });
  return { topic, cut, other, id: held!.id };
}

/** Another consumer has its message; what it says late is refused, and it goes on without a restart. */
async function takenOver(of: Cut & { readonly refusal: string }): Promise<void> {
  const { topic, id, ...processes } = await scene(of);
  await using cut = processes.cut;
  await using other = processes.other;
  const sinceMs = performance.now();
  const line = network.cut(of.title, of.from, of.loss);
  const [taken] = await other.has(1);
  process.stdout.write(`${of.title}: another has its message after ${(performance.now() - sinceMs).toFixed(0)} ms\n`);
  expect(taken).toMatchObject({ id, attempt: 1 });
  const late = cut.acknowledge(id);
  line[Symbol.dispose]();
  expect([of.title, await late]).toEqual([of.title, of.refusal]);
  expect(await other.acknowledge(id)).toBe('OK');
  await settledAll(hermes, topic, GROUP);
  expect([cut.deliveries.length, other.deliveries.length]).toEqual([1, 1]);

  await other[Symbol.asyncDispose]();
  await hermes.producer(topic, { codec: stringCodec }).publish('b', { key: 'b' });
  const [, next] = await cut.has(2);
  expect(await cut.acknowledge(next!.id)).toBe('OK');
  await settledAll(hermes, topic, GROUP);
}

/** It settles, and does not hear that it has; its message comes to nobody again. */
async function settled(of: Cut): Promise<void> {
  const { topic, id, ...processes } = await scene(of);
  await using cut = processes.cut;
  await using other = processes.other;
  const line = network.cut(of.title, of.from, of.loss);
  const acknowledged = cut.acknowledge(id);
  await settledAll(hermes, topic, GROUP);
  line[Symbol.dispose]();
  expect([of.title, await acknowledged]).toEqual([of.title, 'OK']);
  expect([cut.deliveries.length, other.deliveries.length]).toEqual([1, 0]);
}

describe('a consumer process that is cut off', () => {
  it('loses its message to another one, of which it can settle none; later it works again', async () => {
    await Promise.all(TAKEN_OVER.map(takenOver));
  });

  it('settles what it does not hear of: that comes to nobody again', async () => {
    await Promise.all(SETTLING.map(settled));
  });
});
