import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { env } from 'node:process';

import { eventually, freePort, temporaryDirectory } from '@hermes/testing';

const ROOT = join(__dirname, '..', '..', '..');
const PORTS = ['META', 'META_OPS', 'BROKER', 'BROKER_OPS', 'GATEWAY', 'GATEWAY_OPS'];
/** Installing is done by then; building what changed may be not. */
const UP_DEADLINE_MS = 180_000;

interface Started {
  readonly npm: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | NodeJS.Signals | null>;
}

const running: ChildProcess[] = [];

/** `npm start -- --data-dir DIR` as a shell starts it: in a process group of its own, as Ctrl-C finds it. */
async function npmStart(dataDir: string): Promise<Started> {
  const ports = await Promise.all(PORTS.map(async (name) => [`HERMES_${name}_PORT`, String(await freePort())]));
  const npm = spawn('npm', ['start', '--', '--data-dir', dataDir], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, ...(Object.fromEntries(ports) as Record<string, string>) },
  });
  running.push(npm);
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const exit = new Promise<number | NodeJS.Signals | null>((resolve) => {
    npm.on('exit', (code, signal) => {
      resolve(code ?? signal);
    });
  });
  await eventually(() => output.includes('In another terminal:') || Promise.reject(new Error(output)), {
    deadlineMs: UP_DEADLINE_MS,
    intervalMs: 50,
  });
  return { npm, output: () => output, exit };
}

/** Whether any process of its group is left. */
function hasProcesses({ pid }: ChildProcess): boolean {
  try {
    process.kill(-pid!, 0);
    return true;
  } catch {
    return false;
  }
}

afterEach(() => {
  for (const npm of running.splice(0)) {
    if (hasProcesses(npm)) {
      process.kill(-npm.pid!, 'SIGKILL');
    }
  }
});

describe('npm start', () => {
  it('shows three messages and how long the start took, drains on Ctrl-C, exits 0, and starts again', async () => {
    using directory = temporaryDirectory();
    for (let round = 0; round < 2; round += 1) {
      const { npm, output, exit } = await npmStart(join(directory.path, 'data'));
      expect(output().match(/^ {2}welcome\/\d+\/0\/\d+ /gm)).toHaveLength(3);
      expect(output()).toMatch(/^Hermes is up after \d+\.\d s; Ctrl-C stops it\.$/m);
      // A terminal sends Ctrl-C to every process of the group.
      process.kill(-npm.pid!, 'SIGINT');
      expect(await exit).toBe(0);
      expect(output()).not.toMatch(/error|fatal/i);
    }
  });

  it('passes a SIGTERM on, drains and exits 0: no process stays behind', async () => {
    using directory = temporaryDirectory();
    const { npm, exit } = await npmStart(join(directory.path, 'data'));
    npm.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(hasProcesses(npm)).toBe(false);
  });
});
