import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, execPath } from 'node:process';

import { Cluster } from './harness/cluster.js';
import { PROGRAM } from './harness/hermes-process.js';

const GUIDE = join(__dirname, '..', '..', '..', 'docs', 'guide');

/** The command lines of a page, in order. */
function commandsOf(page: string): string[] {
  const text = readFileSync(join(GUIDE, page), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);
  return blocks.flatMap((block) => block.split('\n').filter((line) => line !== ''));
}

function run(line: string, server: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const program = line.replace('npx hermes', `"${execPath}" "${PROGRAM}"`);
    const child = spawn('sh', ['-c', program], {
      env: { ...env, HERMES_SERVER: server },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on('exit', (code) => {
      resolve({ code, output });
    });
  });
}

describe('the commands of the guide', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 1 });
  }, 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  it.each(readdirSync(GUIDE))(
    '%s: run as they stand, one after the other',
    async (page) => {
      const commands = commandsOf(page);
      expect(commands.length).toBeGreaterThan(0);
      for (const line of commands) {
        expect({ line, ...(await run(line, cluster.gatewayEndpoint)) }).toMatchObject({ line, code: 0 });
      }
    },
    60_000,
  );
});
