// The rows: what Hermes does, each as a ratio to what cannot be avoided, measured in the same run.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { runChild } from './child.mjs';
import { freePort, residentMiB, startHermes } from './cluster.mjs';
import { coordination } from './coordination.mjs';
import { PARTITIONS, sleep } from './shapes.mjs';

const ADMIN_DEADLINE_MS = 30_000;
/** Messages of the `tail` row: they all fit the broker's default cache. */
const TAIL_MESSAGES = 120_000;
/** Single publishes a second of the latency rows. */
const LATENCY_RATE = 1000;
/** Keys of the `modes` row. */
const KEYS = 1_000_000;
/** Messages of the `catch-up` row. */
const BACKLOG = { quick: 200_000, full: 1_000_000 };
/** Messages that wait for their time in the `scheduled` row. */
const SCHEDULED = { quick: 50_000, full: 1_000_000 };

function admin(context) {
  const client = new contracts.AdminServiceClient(context.cluster.gatewayEndpoint, grpc.credentials.createInsecure());
  return (method, request) =>
    new Promise((resolve, reject) =>
      client[method](request, new grpc.Metadata(), { deadline: Date.now() + ADMIN_DEADLINE_MS }, (error, response) =>
        error ? reject(error) : resolve(response),
      ),
    );
}

/** Makes a topic, and its groups, the first of which is the row's, for a row of its own. */
async function createTopic(context, topic, { partitions = PARTITIONS, groups = [], mode = 'SHARED' } = {}) {
  const call = admin(context);
  const fields = { name: topic, partitions, ...context.storage.topicFields };
  await call('createTopic', { topic: contracts.Topic.fromPartial(fields) });
  for (const name of groups) {
    await call('createGroup', {
      group: contracts.Group.fromPartial({ topic, name, mode: contracts.GroupMode[mode] }),
    });
  }
  const { brokerEndpoint: endpoint, metaServers } = context.cluster;
  return { endpoint, metaServers: [metaServers], topics: [topic], topic, partitions, group: groups[0] };
}

/** Makes the data source, if there is one, known to the cluster. */
export const prepareStorage = (context) => context.storage.prepare(admin(context));

const ratioRow = (id, { rate, spread }, unit, limit, goal) => ({
  ...{ id, value: rate, unit, spread },
  ...{ raw: limit, ratio: rate / limit, goal },
});

const publishRate = (target, times) => runChild('./load/publisher.mjs', { ...target, ...times });

/** The goal is the storage class's. */
async function publish({ times, limit, ...context }) {
  const rate = await publishRate(await createTopic(context, 'bench-publish'), times);
  const { name } = context.storage;
  return ratioRow(`publish-${name}`, rate, 'msg/s', limit, GOALS[name].publish);
}

async function e2e({ times, limit, ...context }) {
  const target = await createTopic(context, 'bench-e2e', { groups: ['readers'] });
  const [consumed] = await Promise.all([
    runChild('./load/consumer.mjs', { ...target, ...times }),
    publishRate(target, times),
  ]);
  const { name } = context.storage;
  return ratioRow(`e2e-${name}`, consumed, 'msg/s', limit, GOALS[name].e2e);
}

/** Publish, deliver by the SDK, acknowledge: each mode beside EXCLUSIVE, with a million keys. */
async function modes({ times, ...context }) {
  const rateIn = async (mode) => {
    const target = await createTopic(context, `bench-${mode}`, { groups: ['readers'], mode });
    const [consumed] = await Promise.all([
      runChild('./load/sdk-consumer.mjs', { ...target, ...times }),
      publishRate({ ...target, keys: KEYS }, times),
    ]);
    return consumed;
  };
  const exclusive = await rateIn('EXCLUSIVE');
  const rows = [];
  for (const mode of ['KEY_ORDERED', 'SHARED']) {
    const variant = `${context.storage.variant}, ${mode}`;
    rows.push(fallsTo('modes', variant, 0.8, [exclusive, await rateIn(mode)]));
  }
  return rows;
}

const GOALS = {
  embedded: { publish: 0.65, e2e: 0.6 },
  mysql: { publish: 0.75, e2e: 0.7 },
  kafka: { publish: 0.65, e2e: 0.55 },
};

async function tail({ times, limit, ...context }) {
  const warmUpGroup = 'warm-up';
  const target = await createTopic(context, 'bench-tail', { groups: ['readers', warmUpGroup] });
  const messages = { limit: TAIL_MESSAGES };
  await runChild('./load/publisher.mjs', { ...target, ...times, ...messages });
  const rate = await runChild('./load/consumer.mjs', { ...target, ...times, ...messages, warmUpGroup });
  return ratioRow('tail', rate, 'msg/s', limit, 0.5);
}

/** A backlog that is far larger than the cache, to one subscription, read once. */
async function catchUp({ times, limit, quick, ...context }) {
  const target = await createTopic(context, 'bench-catch-up', { groups: ['readers'] });
  const backlog = quick ? BACKLOG.quick : BACKLOG.full;
  await runChild('./load/publisher.mjs', { ...target, ...times, limit: backlog });
  const rate = await runChild('./load/consumer.mjs', { ...target, ...times, limit: backlog });
  const row = ratioRow('catch-up-mysql', rate, 'msg/s', limit, 0.6);
  return { ...row, details: { backlog } };
}

/** Publish throughput of a second shape as a share of the first one's. */
function fallsTo(id, variant, goal, [first, second]) {
  const ratio = second.rate / first.rate;
  return { id, variant, value: second.rate, unit: 'msg/s', spread: second.spread, raw: first.rate, ratio, goal };
}

async function partitions({ times, ...context }) {
  const rateWith = async (count) =>
    publishRate(await createTopic(context, `bench-partitions-${count}`, { partitions: count }), times);
  return fallsTo('partitions', `${context.storage.variant}, 1 → 1,000`, 0.8, [await rateWith(1), await rateWith(1000)]);
}

async function topics({ times, ...context }) {
  const rateWith = async (count) => {
    const targets = [];
    for (let nth = 0; nth < count; nth += 1) {
      targets.push(await createTopic(context, `bench-topics-${count}-${nth}`));
    }
    return publishRate({ ...targets[0], topics: targets.map(({ topic }) => topic) }, times);
  };
  return fallsTo('topics', `${context.storage.variant}, 1 → 100`, 0.8, [await rateWith(1), await rateWith(100)]);
}

/** Groups that nobody consumes: what they cost who publishes. */
async function groups({ times, ...context }) {
  const rateWith = async (count) => {
    const names = Array.from({ length: count }, (_, nth) => `group-${nth}`);
    return publishRate(await createTopic(context, `bench-groups-${count}`, { groups: names }), times);
  };
  return fallsTo('groups', `${context.storage.variant}, 1 → 10`, 0.75, [await rateWith(1), await rateWith(10)]);
}

async function scheduled({ times, quick, ...context }) {
  const target = await createTopic(context, 'bench-scheduled', { groups: ['readers'] });
  const before = await createTopic(context, 'bench-unscheduled');
  const waiting = quick ? SCHEDULED.quick : SCHEDULED.full;
  const { variant } = context.storage;
  const first = await publishRate(before, times);
  const { pid } = context.cluster.processes.broker;
  const beforeMiB = residentMiB(pid);
  const { p99, ...details } = await runChild('./load/scheduled.mjs', { ...target, waiting });
  const grownMiB = residentMiB(pid) - beforeMiB;
  const second = await publishRate(target, times);
  const title = `${variant}, ${waiting.toLocaleString('en')} waiting`;
  return [
    fallsTo('scheduled', title, 0.9, [first, second]),
    {
      id: 'scheduled',
      variant: `${variant}, lateness p99`,
      value: p99,
      unit: 'ms',
      goal: 100,
      reached: p99 <= 100,
      details,
    },
    {
      id: 'scheduled',
      variant: `${variant}, the broker's growth`,
      value: grownMiB,
      unit: 'MiB',
      details: { beforeMiB },
    },
  ];
}

async function unary({ times, limit, ...context }) {
  const target = await createTopic(context, 'bench-unary');
  const rate = await runChild('./load/unary.mjs', { ...target, ...times });
  return ratioRow('unary', rate, 'calls/s', limit, 0.8);
}

async function sdkSingle({ times, limit, ...context }) {
  const target = await createTopic(context, 'bench-sdk-single');
  const rate = await runChild('./load/sdk-single.mjs', { ...target, ...times });
  return ratioRow('sdk-single', rate, 'msg/s', limit, 4);
}

/** Open loop: at a fixed rate, and at half of the highest rate that a closed loop of the same shape reaches. */
async function latency({ times, ...context }) {
  const { name, variant } = context.storage;
  const closedLoop = await createTopic(context, 'bench-latency-highest', { groups: ['readers'] });
  const highest = await runChild('./load/sdk-single.mjs', { ...closedLoop, ...times });
  const rows = [];
  for (const { title, rate, goals } of [
    { title: `${LATENCY_RATE}/s`, rate: LATENCY_RATE, goals: { p50: 1.5, p99: 5 } },
    { title: 'half of the highest rate', rate: Math.round(highest.rate / 2), goals: { p50: 3, p99: 15 } },
  ]) {
    const target = await createTopic(context, `bench-latency-${rate}`, { groups: ['readers'] });
    const { p50, p99, ...more } = await runChild('./load/latency.mjs', { ...target, ...times, rate });
    const row = { id: `latency-${name}`, unit: 'ms', details: { rate, highest: highest.rate, ...more } };
    rows.push(
      { ...row, variant: `${variant}, p50 at ${title}`, value: p50, goal: goals.p50, reached: p50 <= goals.p50 },
      { ...row, variant: `${variant}, p99 at ${title}`, value: p99, goal: goals.p99, reached: p99 <= goals.p99 },
    );
  }
  return rows;
}

/** Resident memory of a cluster that has served a message and then idled. */
function memoryIdle({ idle }) {
  return Object.entries(idle).map(([variant, value]) => ({
    id: 'memory-idle',
    variant,
    value,
    unit: 'MiB',
    goal: 120,
    reached: value <= 120,
  }));
}

async function startup({ directory }) {
  const place = mkdtempSync(join(directory, 'startup-'));
  const names = ['meta', 'meta-ops', 'broker', 'broker-ops', 'gateway', 'gateway-ops'];
  const ports = await Promise.all(names.map(freePort));
  const flags = names.flatMap((name, i) => [`--${name}-port`, String(ports[i])]);
  const startedAt = performance.now();
  const child = await startHermes(['up', '--data-dir', place, ...flags], ports[names.indexOf('gateway-ops')]);
  const seconds = (performance.now() - startedAt) / 1000;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(place, { recursive: true, force: true });
  return { id: 'startup', value: seconds, unit: 's', goal: 2, reached: seconds <= 2 };
}

/** Idle memory is read before any load has touched the cluster. */
export async function readIdleMemory(cluster) {
  await sleep(2000);
  return Object.fromEntries(Object.entries(cluster.processes).map(([name, { pid }]) => [name, residentMiB(pid)]));
}

/** By id; each is measured on the storages that it names, by default on all. Its limit is that of its `parts`. */
export const ROWS = {
  'memory-idle': { parts: [], run: memoryIdle, storages: ['embedded'] },
  startup: { parts: [], run: startup, storages: ['embedded'] },
  publish: { parts: ['frames', 'store'], run: publish },
  // What is delivered from Kafka has been read from there.
  e2e: { parts: ['frames', 'store', 'served'], onKafka: ['reads'], run: e2e },
  modes: { parts: [], run: modes },
  tail: { parts: ['served'], run: tail, storages: ['embedded'] },
  'catch-up': { parts: ['served', 'reads'], run: catchUp, storages: ['mysql', 'mariadb'] },
  unary: { parts: ['unary'], run: unary, storages: ['embedded'] },
  'sdk-single': { parts: ['unary'], run: sdkSingle, storages: ['embedded'] },
  latency: { parts: [], run: latency },
  partitions: { parts: [], run: partitions },
  topics: { parts: [], run: topics },
  groups: { parts: [], run: groups },
  scheduled: { parts: [], run: scheduled },
  coordination: { parts: [], run: coordination, storages: ['embedded', 'mysql', 'mariadb'] },
};

/** The parts of a row's limit on a storage. */
export const partsOf = (id, { name }) => [...ROWS[id].parts, ...((name === 'kafka' && ROWS[id].onKafka) || [])];

/** Ids of the rows of a storage. */
export const rowsOf = (storage) =>
  Object.keys(ROWS).filter((id) => ROWS[id].storages === undefined || ROWS[id].storages.includes(storage));
