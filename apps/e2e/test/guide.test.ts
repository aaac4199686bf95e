import { execPath } from 'node:process';

import { Cluster } from './harness/cluster.js';
import { codeBlocks, GUIDE_PAGES } from './harness/documents.js';
import { PROGRAM } from './harness/hermes-process.js';
import { type ProgramEnd, runProgram } from './harness/run-program.js';

/** The command lines of a page, in order. */
function commandsOf(page: string): string[] {
  return codeBlocks(page, 'sh').flatMap((block) => block.split('\n').filter((line) => line !== ''));
}

function run(line: string, server: string): Promise<ProgramEnd> {
  const program = line.replace('npx hermes', `"${execPath}" "${PROGRAM}"`);
  return runProgram('sh', ['-c', program], { environment: { HERMES_SERVER: server } });
}

describe('the commands of the guide', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await Cluster.start({ brokers: 1 });
  }, 60_000);
  afterAll(() => cluster[Symbol.asyncDispose]());

  it.each(GUIDE_PAGES)(
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
