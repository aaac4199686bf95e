// The suite as an operator runs it: each process of its own, on free ports and a new data directory.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { sleep } from './shapes.mjs';

const program = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));
const READY_DEADLINE_MS = 20_000;

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function isReady(opsPort) {
  try {
    return (await fetch(`http://127.0.0.1:${opsPort}/readyz`)).ok;
  } catch {
    return false;
  }
}

export async function startHermes(args, opsPort, { nodeArgs = [], environment = {} } = {}) {
  const env = { ...process.env, ...environment };
  const child = spawn(process.execPath, [...nodeArgs, program, ...args], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const endAt = performance.now() + READY_DEADLINE_MS;
  while (!(await isReady(opsPort))) {
    if (child.exitCode !== null || performance.now() > endAt) {
      throw new Error(`hermes ${args[0]} did not become ready`);
    }
    await sleep(5);
  }
  return child;
}

/** Resident memory of a process in MiB. */
export function residentMiB(pid) {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kib) / 1024;
}

/** Starts one meta-server, one broker and one gateway. `brokerNodeArgs`, for a profile: `--cpu-prof`. */
export async function startCluster(directory, { brokerNodeArgs, brokerEnvironment } = {}) {
  const ports = await Promise.all(Array.from({ length: 6 }, freePort));
  const [metaPort, metaOps, brokerPort, brokerOps, gatewayPort, gatewayOps] = ports.map(String);
  const metaServers = `127.0.0.1:${metaPort}`;
  const meta = await startHermes(
    ['meta-server', '--meta-port', metaPort, '--meta-ops-port', metaOps].concat([
      '--metadata-url',
      `sqlite:${join(directory, 'meta', 'meta.db')}`,
    ]),
    metaOps,
  );
  const broker = await startHermes(
    ['broker', '--broker-port', brokerPort, '--broker-ops-port', brokerOps, '--meta-servers', metaServers].concat([
      '--data-dir',
      join(directory, 'broker'),
    ]),
    brokerOps,
    { nodeArgs: brokerNodeArgs, environment: brokerEnvironment },
  );
  const gateway = await startHermes(
    ['gateway', '--gateway-port', gatewayPort, '--gateway-ops-port', gatewayOps, '--meta-servers', metaServers],
    gatewayOps,
  );
  const processes = { 'meta-server': meta, broker, gateway };
  const stop = async () => {
    for (const child of [gateway, broker, meta]) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
  };
  return {
    metaServers,
    brokerEndpoint: `127.0.0.1:${brokerPort}`,
    gatewayEndpoint: `127.0.0.1:${gatewayPort}`,
    processes,
    stop,
  };
}
