import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { connect } from '@hermes/client';
import ts from 'typescript';

import { Cluster } from './harness/cluster.js';
import { PlainProject } from './harness/plain-project.js';
import { pythonWithProtos } from './harness/python.js';

const REPOSITORY = join(__dirname, '..', '..', '..');
const PAGES = [
  'README.md',
  ...readdirSync(join(REPOSITORY, 'docs', 'guide')).map((page) => join('docs', 'guide', page)),
];
const GATEWAY = '127.0.0.1:4380';
const TSC = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');

interface Example {
  readonly name: string;
  readonly code: string;
}

function examplesIn(language: string): Example[] {
  return PAGES.flatMap((page) => {
    const text = readFileSync(join(REPOSITORY, page), 'utf8');
    const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))];
    return blocks.map(([, code = ''], nth) => ({ name: `${page.replaceAll(/[/.]/g, '-')}-${nth + 1}`, code }));
  });
}

/** What it wrote, once it has ended; if it goes on for ever, what it wrote first. */
function run(
  command: string,
  args: readonly string[],
  endless: boolean,
  more = {},
): Promise<{ code: unknown; out: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...more } });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (endless && out.includes('\n')) {
          child.kill();
        }
      });
    }
    child.on('exit', (code, signal) => {
      resolve({ code: endless && signal === 'SIGTERM' ? 0 : code, out });
    });
  });
}

const TYPESCRIPT = examplesIn('ts');
const PYTHON = examplesIn('python');

describe('the examples of README and guide', () => {
  let cluster: Cluster;
  let project: PlainProject;
  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 1 });
    project = await PlainProject.create();
    project.link('@types/node');
    project.link('undici-types');
  }, 60_000);
  afterAll(async () => {
    project[Symbol.dispose]();
    await cluster[Symbol.asyncDispose]();
  });

  const here = (code: string): string => code.replaceAll(GATEWAY, cluster.gatewayEndpoint);

  test('are there, and are sound TypeScript', () => {
    expect([TYPESCRIPT.length, PYTHON.length]).toEqual([6, 1]);
    const files = TYPESCRIPT.map(({ name, code }) => project.write(`${name}.mts`, code));
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
    const { status, stdout } = spawnSync(execPath, [TSC, ...options, ...files], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  }, 60_000);

  test.each(TYPESCRIPT)(
    '$name runs',
    async ({ name, code }) => {
      await prepared(cluster);
      const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
      const program = project.write(
        `${name}.mjs`,
        ts.transpileModule(here(code), { compilerOptions: options }).outputText,
      );
      const endless = !code.includes('hermes.close()');
      const ended = await run(execPath, [program], endless);
      expect(ended).toMatchObject({ code: 0 });
      expect(ended.out).not.toBe('');
    },
    30_000,
  );

  test.each(PYTHON)(
    '$name runs',
    async ({ name, code }) => {
      await prepared(cluster);
      const { python, env: protos } = pythonWithProtos();
      const ended = await run(python, ['-u', project.write(`${name}.py`, here(code))], true, protos);
      expect(ended).toMatchObject({ code: 0, out: expect.stringContaining('id') as string });
    },
    120_000,
  );
});

/** What `npm start` has made, which the README's examples use. */
async function prepared({ gatewayEndpoint }: Cluster): Promise<void> {
  await using hermes = await connect({ gateway: gatewayEndpoint });
  await hermes.admin.ensureTopic({ name: 'orders' });
  await hermes.admin.ensureGroup({ topic: 'orders', name: 'billing' });
}
