import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, freePort, temporaryDirectory } from '@hermes/testing';

const MAIN = join(__dirname, '..', 'dist', 'main.js');
/** Ports that the test does not need to know. */
const ANY_PORTS = ['meta-port', 'broker-port', 'meta-ops-port', 'broker-ops-port', 'gateway-ops-port'].flatMap(
  (name) => [`--${name}`, '0'],
);

interface Hermes {
  readonly process: ChildProcess;
  readonly output: { out: string; err: string };
  readonly exit: Promise<number | null>;
}

const running: ChildProcess[] = [];

/** Starts the built executable as a user does. */
function hermes(args: readonly string[], env: Record<string, string> = {}): Hermes {
  const child = spawn(process.execPath, [MAIN, ...args], { env });
  running.push(child);
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.err += chunk.toString()));
  return { process: child, output, exit: new Promise((resolve) => child.on('close', resolve)) };
}

async function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const { exit, output } = hermes(args, env);
  return { code: await exit, ...output };
}

async function up(dataDir: string, args: readonly string[] = []): Promise<Hermes & { readonly server: string[] }> {
  const port = await freePort();
  const started = hermes(['up', '--data-dir', dataDir, '--gateway-port', String(port), ...ANY_PORTS, ...args]);
  await eventually(() => started.output.out.includes('--help') || Promise.reject(new Error(started.output.err)), {
    deadlineMs: 15_000,
  });
  return { ...started, server: ['--server', `127.0.0.1:${port}`] };
}

function interrupt({ process: child, exit }: Hermes): Promise<number | null> {
  child.kill('SIGINT');
  return exit;
}

jest.setTimeout(60_000);

afterEach(() => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
  }
});

describe('hermes up', () => {
  it('shows three messages on their way, serves the commands it suggests, drains on Ctrl-C, and starts again', async () => {
    using directory = temporaryDirectory();
    const dataDir = join(directory.path, 'data');
    const first = await up(dataDir, ['--welcome']);
    expect(first.output.err).toBe('');
    const ids = [...first.output.out.matchAll(/^ {2}(welcome\/\d+\/0\/\d+) /gm)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(3);

    const published = await run(['publish', 'welcome', 'hello', ...first.server]);
    expect(published).toMatchObject({ code: 0, err: '' });
    const seen = await run(['tail', 'welcome', '--no-follow', ...first.server]);
    expect(seen.out).toContain(`${published.out.trim()}  hello`);
    expect((await run(['group', 'create', 'welcome', 'readers', '--start', 'earliest', ...first.server])).code).toBe(0);
    const tail = await run(['tail', 'welcome', '--group', 'readers', '--limit', '4', ...first.server]);
    expect(tail).toMatchObject({ code: 0, err: '' });
    expect(tail.out.trimEnd().split('\n')).toHaveLength(4);
    expect(await interrupt(first)).toBe(0);
    expect(first.output.err).toBe('');

    const second = await up(dataDir, ['--welcome']);
    const progress = await run(['group', 'describe', 'welcome', 'readers', '-o', 'json', ...second.server]);
    const { lanes } = JSON.parse(progress.out.trimEnd().split('\n')[1] ?? '') as { lanes: { lag?: number }[] };
    // What the group acknowledged stays so; what the second welcome published is new to it.
    expect(lanes.reduce((sum, { lag = 0 }) => sum + lag, 0)).toBe(3);
    expect(await interrupt(second)).toBe(0);
  });

  it('ends with 69 and a sentence when its port or its data directory is taken', async () => {
    using directory = temporaryDirectory();
    const dataDir = join(directory.path, 'data');
    const first = await up(dataDir);
    const held = await run(['up', '--data-dir', dataDir, '--gateway-port', '0', ...ANY_PORTS]);
    expect(held).toMatchObject({ code: 69, out: '' });
    expect(held.err).toContain(dataDir);
    expect(held.err).not.toContain('    at ');
    await interrupt(first);

    const blocker = createServer();
    const port = await new Promise<number>((resolve) => {
      blocker.listen(0, '127.0.0.1', () => {
        resolve((blocker.address() as { port: number }).port);
      });
    });
    const taken = await run(['up', '--data-dir', dataDir, '--gateway-port', String(port), ...ANY_PORTS]);
    expect(taken).toMatchObject({ code: 69, out: '' });
    expect(taken.err).toContain(`hermes: 127.0.0.1:${port} is in use`);
    blocker.close();
  });

  it('ends with 78 when its data directory cannot be one', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'file');
    writeFileSync(file, '');
    const refused = await run(['up', '--data-dir', join(file, 'data'), ...ANY_PORTS]);
    expect(refused).toMatchObject({ code: 78, out: '' });
    expect(refused.err).toContain('choose another with --data-dir');
  });

  it('reports every configuration mistake at once, before a port is opened, with 78', async () => {
    const refused = await run(['up', '--host', '0.0.0.0', '--broker-port', '70000', '--drain-ms', 'soon'], {
      HERMES_BROKER_LEASE_TLT_MS: '1',
    });
    expect(refused).toMatchObject({ code: 78, out: '' });
    for (const name of ['--host', '--broker-port', '--drain-ms', 'HERMES_BROKER_LEASE_TLT_MS']) {
      expect(refused.err).toContain(`  - ${name}: `);
    }
    expect(refused.err).toContain('--insecure');
  });

  it('shows its settings without starting', async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, 'hermes.json');
    mkdirSync(join(directory.path, 'data'));
    writeFileSync(file, JSON.stringify({ drainMs: 5 }));
    const shown = await run(['up', '--config', file, '--print-config']);
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(shown.out)).toMatchObject({ drainMs: 5, gatewayPort: 4380, logLevel: 'warn' });
  });
});

describe('separate servers', () => {
  it('form a cluster, each started by its own command', async () => {
    using directory = temporaryDirectory();
    const [meta, gateway] = [await freePort(), await freePort()];
    const metaServers = ['--meta-servers', `127.0.0.1:${meta}`];
    const database = `sqlite:${join(directory.path, 'meta.db')}`;
    const servers = [
      hermes(['meta-server', '--meta-port', String(meta), '--meta-ops-port', '0', '--metadata-url', database]),
      hermes([
        ...['broker', '--broker-port', '0', '--broker-ops-port', '0', '--data-dir', join(directory.path, 'broker')],
        ...metaServers,
      ]),
      hermes(['gateway', '--gateway-port', String(gateway), '--gateway-ops-port', '0', ...metaServers]),
    ];
    const server = ['--server', `127.0.0.1:${gateway}`];
    await eventually(async () => (await run(['broker', 'list', ...server])).out.includes('active'), {
      deadlineMs: 20_000,
    });
    expect((await run(['topic', 'create', 'orders', '--partitions', '2', ...server])).code).toBe(0);
    expect((await run(['publish', 'orders', 'hello', ...server])).code).toBe(0);
    for (const one of [...servers].reverse()) {
      one.process.kill('SIGTERM');
      expect(await one.exit).toBe(0);
    }
  });
});
