import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryDirectory } from '@hermes/testing';

import { openEmbeddedEngine } from '../src/embedded-engine.js';
import { failOnFatal } from './fail-on-fatal.js';
import { requireStrace } from './strace.js';

const COMMITS = 60;

/** Number of fsync and fdatasync calls of a process that makes that many commits. */
function countSyncs(commits: number): number {
  using directory = temporaryDirectory();
  const trace = join(directory.path, 'trace.txt');
  const script = join(__dirname, 'append-and-close.mjs');
  const command = [process.execPath, script, join(directory.path, 'data'), String(commits)];
  execFileSync('strace', ['-f', '-qq', '-e', 'trace=fsync,fdatasync', '-o', trace, ...command], { stdio: 'inherit' });
  return readFileSync(trace, 'utf8').match(/\bf(data)?sync\(/g)?.length ?? 0;
}

describe('durability', () => {
  it('runs its connections with WAL and synchronous = FULL', async () => {
    using directory = temporaryDirectory();
    const engine = await openEmbeddedEngine({ directory: directory.path, onFatal: failOnFatal });
    const settings = await engine.settings();
    await engine.close();
    const FULL = 2;
    expect(settings).toEqual([
      { journalMode: 'wal', synchronous: FULL, pageBytes: 16_384 },
      { journalMode: 'wal', synchronous: FULL, pageBytes: 16_384 },
    ]);
  });

  it('syncs once per commit, before it answers', () => {
    requireStrace();
    const syncs = countSyncs(COMMITS) - countSyncs(0);
    expect(syncs).toBeGreaterThanOrEqual(COMMITS);
    expect(syncs).toBeLessThan(COMMITS + 10);
  }, 180_000);
});
