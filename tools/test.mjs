// Runs the tests in stages and closes with `N passed, N failed`.
//   --unit        only what needs nothing but Node: no database servers (*.server.test.ts), no process tests
//   other words   go to Jest, for instance a path or `-t "name"`
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const args = process.argv.slice(2);
const unitOnly = args.includes('--unit');
const forwarded = args.filter((arg) => arg !== '--unit');

const serverTests = String.raw`\.server\.test\.ts$`;
const inProcess = ['--ignoreProjects', 'e2e', '--maxWorkers=2'];
/** Those on MySQL that measure pauses. */
const pauses = 'clock-jumps|fail-over|leaders|metadata-database-paused|moves|network-cuts|rolling-restart';
/** Process tests that have the machine for themselves: they measure pauses or memory, or listen on the default ports. */
const alone = `(deploy/|memory/|mysql/(${pauses})|broker-restart|examples|npm-start)`;
/** Jest runs some of them in its own process, and would wait for whatever a test has left open there. */
const processTests = (title, workers, ignored) => ({
  title,
  args: ['--selectProjects', 'e2e', workers, '--forceExit', '--testPathIgnorePatterns', `/e2e/test/${ignored}`],
});
const stages = unitOnly
  ? [{ title: 'unit and property tests', args: [...inProcess, '--testPathIgnorePatterns', serverTests] }]
  : [
      { title: 'unit, property, contract and integration tests', args: inProcess },
      // Two files at a time take two processors.
      processTests('process tests', '--maxWorkers=2', alone),
      processTests('process tests that have the machine for themselves', '--runInBand', `(?!${alone})`),
    ];

function runStage(stage, resultFile) {
  process.stderr.write(`\n== ${stage.title}\n`);
  const { status } = spawnSync(
    process.execPath,
    [jest, ...stage.args, '--passWithNoTests', '--json', `--outputFile=${resultFile}`, ...forwarded],
    { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const result = JSON.parse(readFileSync(resultFile, 'utf8'));
  // A file that does not even load has no tests to count, yet it is a failure.
  const broken = result.numRuntimeErrorTestSuites;
  return { passed: result.numPassedTests, failed: Math.max(result.numFailedTests + broken, status === 0 ? 0 : 1) };
}

// The stages share the database servers, which end with this process: see libs/testing.
process.env.HERMES_TEST_RUN ??= `${process.pid}-${Date.now().toString(36)}`;

const directory = mkdtempSync(join(tmpdir(), 'hermes-test-'));
let passed = 0;
let failed = 0;
try {
  for (const [index, stage] of stages.entries()) {
    const counts = runStage(stage, join(directory, `${index}.json`));
    passed += counts.passed;
    failed += counts.failed;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
