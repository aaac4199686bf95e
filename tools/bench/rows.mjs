// The rows: what Hermes does, each as a ratio to what cannot be avoided, measured in the same run.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import contracts from '@hermes/contracts';
import grpc from '@grpc/grpc-js';

import { runChild } from './child.mjs';
import { freePort, residentMiB, startHermes } from './cluster.mjs';
import { limitOf } from './parts.mjs';
import { PARTITIONS, sleep } from './shapes.mjs';

const ADMIN_DEADLINE_MS = 30_000;
/** Messages of the `tail` row: they all fit the broker's default cache. */
const TAIL_MESSAGES = 120_000;
/** Single publishes a second of the latency rows. */
const LATENCY_RATE = 1000;

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
async function createTopic(context, topic, ...groups) {
  const call = admin(context);
  await call('createTopic', { topic: contracts.Topic.fromPartial({ name: topic, partitions: PARTITIONS }) });
  for (const name of groups) {
    await call('createGroup', {
      group: contracts.Group.fromPartial({ topic, name, mode: contracts.GroupMode.SHARED }),
    });
  }
  const { brokerEndpoint: endpoint, metaServers } = context.cluster;
  return { endpoint, metaServers: [metaServers], topic, group: groups[0] };
}

const ratioRow = (id, { rate, spread }, unit, limit, goal) => ({
  ...{ id, value: rate, unit, spread },
  ...{ raw: limit, ratio: rate / limit, goal },
});

async function publishEmbedded({ times, parts, ...context }) {
  const target = await createTopic(context, 'bench-publish');
  const rate = await runChild('./load/publisher.mjs', { ...target, ...times });
  return ratioRow('publish-embedded', rate, 'msg/s', limitOf(parts.frames, parts.store), 0.65);
}

async function e2eEmbedded({ times, parts, ...context }) {
  const target = await createTopic(context, 'bench-e2e', 'readers');
  const [consumed] = await Promise.all([
    runChild('./load/consumer.mjs', { ...target, ...times }),
    runChild('./load/publisher.mjs', { ...target, ...times }),
  ]);
  return ratioRow('e2e-embedded', consumed, 'msg/s', limitOf(parts.frames, parts.store, parts.served), 0.6);
}

async function tail({ times, parts, ...context }) {
  const warmUpGroup = 'warm-up';
  const target = await createTopic(context, 'bench-tail', 'readers', warmUpGroup);
  const limit = TAIL_MESSAGES;
  await runChild('./load/publisher.mjs', { ...target, ...times, limit });
  const rate = await runChild('./load/consumer.mjs', { ...target, ...times, limit, warmUpGroup });
  return ratioRow('tail', rate, 'msg/s', parts.served, 0.5);
}

async function unary({ times, parts, ...context }) {
  const target = await createTopic(context, 'bench-unary');
  const rate = await runChild('./load/unary.mjs', { ...target, ...times });
  return ratioRow('unary', rate, 'calls/s', parts.unary, 0.8);
}

async function sdkSingle({ times, parts, ...context }) {
  const target = await createTopic(context, 'bench-sdk-single');
  const rate = await runChild('./load/sdk-single.mjs', { ...target, ...times });
  return ratioRow('sdk-single', rate, 'msg/s', parts.unary, 4);
}

/** Open loop: at a fixed rate, and at half of the highest rate that a closed loop of the same shape reaches. */
async function latencyEmbedded({ times, ...context }) {
  const closedLoop = await createTopic(context, 'bench-latency-highest', 'readers');
  const highest = await runChild('./load/sdk-single.mjs', { ...closedLoop, ...times });
  const rows = [];
  for (const { title, rate, goals } of [
    { title: `${LATENCY_RATE}/s`, rate: LATENCY_RATE, goals: { p50: 1.5, p99: 5 } },
    { title: 'half of the highest rate', rate: Math.round(highest.rate / 2), goals: { p50: 3, p99: 15 } },
  ]) {
    const target = await createTopic(context, `bench-latency-${rate}`, 'readers');
    const { p50, p99, ...more } = await runChild('./load/latency.mjs', { ...target, ...times, rate });
    const row = { id: 'latency-embedded', unit: 'ms', details: { rate, highest: highest.rate, ...more } };
    rows.push(
      { ...row, variant: `p50 at ${title}`, value: p50, goal: goals.p50, reached: p50 <= goals.p50 },
      { ...row, variant: `p99 at ${title}`, value: p99, goal: goals.p99, reached: p99 <= goals.p99 },
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

export const ROWS = {
  'memory-idle': { parts: [], run: memoryIdle },
  startup: { parts: [], run: startup },
  'publish-embedded': { parts: ['frames', 'store'], run: publishEmbedded },
  'e2e-embedded': { parts: ['frames', 'store', 'served'], run: e2eEmbedded },
  tail: { parts: ['served'], run: tail },
  unary: { parts: ['unary'], run: unary },
  'sdk-single': { parts: ['unary'], run: sdkSingle },
  'latency-embedded': { parts: [], run: latencyEmbedded },
};
