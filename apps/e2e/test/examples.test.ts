import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { connect } from '@hermes/client';
import ts from 'typescript';

import { Cluster } from './harness/cluster.js';
import { codeBlocks, GUIDE_PAGES } from './harness/documents.js';
import { PlainProject } from './harness/plain-project.js';
import { pythonWithProtos } from './harness/python.js';
import { runProgram } from './harness/run-program.js';

const REPOSITORY = join(__dirname, '..', '..', '..');
const GATEWAY = '127.0.0.1:4380';
const TSC = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');

interface Example {
  readonly name: string;
  readonly code: string;
}

function examplesIn(language: string): Example[] {
  return ['README.md', ...GUIDE_PAGES].flatMap((page) =>
    codeBlocks(page, language).map((code, nth) => ({ name: `${page.replaceAll(/[/.]/g, '-')}-${nth + 1}`, code })),
  );
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
      const ended = await runProgram(execPath, [program], { isEndless: !code.includes('hermes.close()') });
      expect(ended).toMatchObject({ code: 0 });
      expect(ended.output).not.toBe('');
    },
    30_000,
  );

  test.each(PYTHON)(
    '$name runs',
    async ({ name, code }) => {
      await prepared(cluster);
      const { python, env: environment } = pythonWithProtos();
      const program = project.write(`${name}.py`, here(code));
      const ended = await runProgram(python, ['-u', program], { isEndless: true, environment });
      expect(ended).toMatchObject({ code: 0, output: expect.stringContaining('id') as string });
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
