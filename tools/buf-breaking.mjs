// Compares the contract with the last release (the newest v* tag), before the first one with proto/baseline.binpb.
//
//   node tools/buf-breaking.mjs            fails on a change that breaks a client
//   node tools/buf-breaking.mjs --accept   makes the contract of today the baseline: only before the first release
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BASELINE = 'proto/baseline.binpb';
const root = join(import.meta.dirname, '..');
const buf = (...args) =>
  spawnSync(process.execPath, [join(root, 'node_modules/@bufbuild/buf/bin/buf'), ...args], {
    cwd: root,
    stdio: 'inherit',
  }).status ?? 1;

/** The newest release tag, or undefined: there is none, or this is no clone (a source archive). */
function lastRelease() {
  try {
    const tags = execFileSync('git', ['tag', '--list', 'v*', '--sort=-v:refname'], { cwd: root, stdio: 'pipe' });
    return tags.toString().split('\n').find(Boolean);
  } catch {
    return undefined;
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'hermes-proto-'));
const image = (input, name) => {
  const path = join(scratch, name);
  if (buf('build', input, '-o', path) !== 0) {
    throw new Error(`cannot build ${input}`);
  }
  return path;
};

try {
  const release = lastRelease();
  if (process.argv.includes('--accept')) {
    process.exitCode = buf('build', '--exclude-source-info', '-o', BASELINE);
  } else if (release === undefined && !existsSync(join(root, BASELINE))) {
    throw new Error(`neither a release tag nor ${BASELINE}`);
  } else {
    const against = release === undefined ? BASELINE : image(`.git#tag=${release}`, 'release.binpb');
    process.exitCode = buf('breaking', image('.', 'now.binpb'), '--against', against, '--config', 'buf.yaml');
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
