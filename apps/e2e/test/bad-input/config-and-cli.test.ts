import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { eventually, temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

import { PROGRAM } from '../harness/hermes-process.js';
import { ClusterUnderAbuse } from '../harness/cluster-under-abuse.js';

/** How a command ended, and what a user saw of it. */
interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly output: { out: string; err: string };
  readonly done: Promise<Run>;
}

/** Starts `hermes …` as a user does, with an environment of its own. */
function start(args: readonly string[], env: Record<string, string> = {}, input: 'pipe' | number = 'pipe'): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: [input, 'pipe', 'pipe'] });
  const output = { out: '', err: '' };
  child.stdout?.on('data', (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output.err += chunk.toString()));
  const done = new Promise<Run>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, ...output });
    });
  });
  return { child, output, done };
}

function run(args: readonly string[], env: Record<string, string> = {}, input = ''): Promise<Run> {
  const running = start(args, env);
  running.child.stdin?.on('error', () => undefined);
  running.child.stdin?.end(input);
  return running.done;
}

const under = new ClusterUnderAbuse();
let directory: TemporaryDirectory;
beforeAll(async () => {
  directory = temporaryDirectory('hermes-bad-input-');
  await under.start();
});
afterAll(async () => {
  await under.stop();
  directory.remove();
});

const path = (name: string): string => join(directory.path, name);
const server = (): string[] => ['--server', under.cluster.gatewayEndpoint];
const portOf = (endpoint: string): string => endpoint.split(':')[1]!;
/** Ports that nobody needs to know. */
const broker = (...args: string[]): string[] => ['broker', '--broker-port', '0', '--broker-ops-port', '0', ...args];
const meta = (url: string): string[] => [
  'meta-server',
  '--meta-port',
  '0',
  '--meta-ops-port',
  '0',
  '--metadata-url',
  url,
];
const gateway = (...args: string[]): string[] => ['gateway', '--gateway-port', '0', '--gateway-ops-port', '0', ...args];

function file(name: string, content: string): string {
  writeFileSync(path(name), content);
  return path(name);
}

/** A sentence for a person, not a stack trace. */
function expectSentence({ err }: Run, ...facts: readonly string[]): void {
  expect(err).not.toMatch(/^ {4}at |node:internal|\bError:/m);
  for (const fact of facts) {
    expect(err).toContain(fact);
  }
}

describe('a server that cannot start', () => {
  test.each<[string, () => string[], number, () => string[]]>([
    [
      "a broker's port is taken",
      () => ['broker', '--broker-port', portOf(under.cluster.brokers[0]!.endpoint), '--data-dir', path('free')],
      69,
      () => [under.cluster.brokers[0]!.endpoint, 'in use by another process'],
    ],
    [
      "a meta-server's port is taken",
      () => [
        'meta-server',
        '--meta-port',
        portOf(under.cluster.metaEndpoint),
        '--metadata-url',
        `sqlite:${path('m.db')}`,
      ],
      69,
      () => [under.cluster.metaEndpoint, 'in use by another process'],
    ],
    [
      "a gateway's port is taken",
      () => ['gateway', '--gateway-port', portOf(under.cluster.gatewayEndpoint), '--gateway-ops-port', '0'],
      69,
      () => [under.cluster.gatewayEndpoint, 'in use by another process'],
    ],
    [
      'an ops port is taken',
      () => ['gateway', '--gateway-port', '0', '--gateway-ops-port', String(under.cluster.gatewayOpsPort)],
      69,
      () => [String(under.cluster.gatewayOpsPort), 'in use by another process'],
    ],
    [
      'another broker has the data directory',
      () => broker('--data-dir', under.cluster.directoryOf('broker-0')),
      69,
      () => [under.cluster.directoryOf('broker-0'), 'held by another process'],
    ],
    [
      'another meta-server has the database',
      () => meta(`sqlite:${under.cluster.directoryOf('meta')}/meta.db`),
      69,
      () => [under.cluster.directoryOf('meta'), 'held by another process'],
    ],
    [
      'the data directory is a file',
      () => broker('--data-dir', file('file', '')),
      78,
      () => [path('file'), 'cannot be written'],
    ],
    [
      'the data directory cannot be made',
      () => broker('--data-dir', join(file('file', ''), 'below')),
      78,
      () => [path('file'), 'cannot be written'],
    ],
    ['the database is a directory', () => meta(`sqlite:${directory.path}`), 78, () => [directory.path, 'cannot open']],
    [
      'the database is none',
      () => meta(`sqlite:${file('no.db', 'x'.repeat(8_192))}`),
      78,
      () => [path('no.db'), 'not a database'],
    ],
    [
      'the address belongs to another machine',
      () => gateway('--host', '203.0.113.7', '--insecure'),
      69,
      () => ['203.0.113.7', 'an address of this machine?'],
    ],
    ['others could reach it', () => gateway('--host', '0.0.0.0'), 78, () => ['--host', '--insecure']],
    ['a setting has a typing error', () => gateway('--gatewayport', '1'), 64, () => ['--gatewayport']],
    ['a flag lacks its value', () => broker('--data-dir'), 64, () => ['--data-dir']],
    ['there is too much', () => broker('extra'), 64, () => ['too many arguments']],
  ])('because %s says so', async (_, args, code, facts) => {
    const ended = await run(args());
    expect(ended).toMatchObject({ code, out: expect.not.stringContaining('listens') as unknown });
    expectSentence(ended, ...facts());
  });

  test('tells all mistakes of its configuration at once, each where it was made, and makes nothing', async () => {
    const config = file('hermes.json', JSON.stringify({ brokerPrt: 1, drainMs: 'soon' }));
    const args = [
      'broker',
      '--config',
      config,
      '--cache-bytes',
      '1',
      '--host',
      '10.0.0.1',
      '--data-dir',
      path('unmade'),
    ];
    const env = {
      HERMES_BROKER_PORT: '70000',
      HERMES_LOG_LEVEL: 'loud',
      HERMES_DATADIR: 'x',
      HERMES_TLS_KEY_FILE: 'k',
    };
    const ended = await run(args, env);
    expect(ended).toMatchObject({ code: 78, out: '' });
    expectSentence(
      ended,
      ...[`brokerPrt in ${config}`, 'did you mean brokerPort?', `drainMs in ${config}`, '--cache-bytes', '--host'],
      ...['HERMES_BROKER_PORT', 'HERMES_LOG_LEVEL', 'HERMES_DATADIR', 'did you mean HERMES_DATA_DIR?'],
      'HERMES_TLS_KEY_FILE: is not implemented in this release',
    );
    expect(readdirSync(directory.path)).not.toContain('unmade');
  });
});

describe('a command', () => {
  test.each<[string, () => string[], number, string]>([
    ['that does not exist', () => ['nothing'], 64, 'unknown command'],
    ['with an unknown flag', () => ['topic', 'list', '--nothing'], 64, "unknown option '--nothing'"],
    ['without its argument', () => ['topic', 'create'], 64, "missing required argument 'topic'"],
    ['with a secret on the command line', () => ['topic', 'list', '--token', 's3cret'], 64, "unknown option '--token'"],
    ['with a server that is none', () => ['topic', 'list', '--server', 'here'], 64, 'host:port'],
    ['without a server', () => ['topic', 'list', '--server', '127.0.0.1:1'], 69, 'no server at 127.0.0.1:1'],
    ['on an unknown topic', () => ['topic', 'describe', 'nothing', ...server()], 1, 'hermes topic list'],
    [
      'on an unknown group',
      () => ['tail', 'orders', '--group', 'nothing', ...server()],
      1,
      'topic orders has no group nothing',
    ],
    ['with a value out of bounds', () => ['topic', 'create', 't', '--partitions', '1025', ...server()], 1, '1 to 1024'],
    [
      'that keeps less than it has to',
      () => ['topic', 'create', 't', '--hard-retention-age', '3s', ...server()],
      1,
      'at least retention_age',
    ],
    [
      'that reads a lane which is not there',
      () => ['tail', 'orders', '--start', '0/5/0', ...server()],
      1,
      'start.offset.lane',
    ],
  ])('%s', async (_, args, code, fact) => {
    const ended = await run(args());
    expect(ended).toMatchObject({ code, out: '' });
    expectSentence(ended, fact);
    expect(ended.err).not.toContain('s3cret');
  });

  test('refuses to publish what is no input', async () => {
    const tooBig = await run(['publish', 'orders', '-', ...server()], {}, 'x'.repeat(8 * 1024 * 1024 + 1));
    expect(tooBig).toMatchObject({ code: 65, out: '' });
    expectSentence(tooBig, 'above 8 MiB');
    const folder = await start(['publish', 'orders', '-', ...server()], {}, openSync(directory.path, 'r')).done;
    expect(folder).toMatchObject({ code: 65, out: '' });
    expectSentence(folder, 'standard input is a directory');
  });

  test('ends quietly when nobody reads what it prints', async () => {
    const lines = Array.from({ length: 20_000 }, (_, line) => `line ${line}`).join('\n');
    const publishing = start(['publish', 'orders', '--lines', ...server()]);
    publishing.child.stdin?.on('error', () => undefined);
    publishing.child.stdin?.end(lines);
    publishing.child.stdout?.once('data', () => publishing.child.stdout?.destroy());
    const { code, err } = await publishing.done;
    expect([0, 141]).toContain(code);
    expect(err).not.toMatch(/EPIPE|^ {4}at /m);
  });

  test('tells on Ctrl-C what it has published, and ends with 130', async () => {
    const publishing = start(['publish', 'orders', '--lines', ...server()]);
    publishing.child.stdin?.write('one\ntwo\n');
    await eventually(() => publishing.output.out.split('\n').length > 2, { deadlineMs: 20_000 });
    publishing.child.kill('SIGINT');
    const ended = await publishing.done;
    expect(ended.code).toBe(130);
    expectSentence(ended);
    expect(ended.out.trim().split('\n')).toHaveLength(2);
  });

  test('is refused by a server of another kind with a sentence', async () => {
    const silent = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const ended = await run(['topic', 'list', '--timeout', '2s', '--server', `127.0.0.1:${port}`]);
    silent.close();
    expect(ended).toMatchObject({ code: 69, out: '' });
    expectSentence(ended, `127.0.0.1:${port}`);
  });
});

test('every process is unharmed', () => under.expectUnharmed());
