import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Makes sure that strace can be run: on Debian as root it is installed, else the test fails and says what to do. */
export function requireStrace(): void {
  if (isPresent()) {
    return;
  }
  if (existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    process.stderr.write('strace is missing and needed to count fsyncs: apt-get install strace\n');
    const options = { stdio: 'ignore', timeout: 120_000 } as const;
    execFileSync('apt-get', ['update', '-q'], options);
    execFileSync('apt-get', ['install', '-qy', '--no-install-recommends', 'strace'], options);
  }
  if (!isPresent()) {
    throw new Error('this test counts fsyncs with strace: install it and run again');
  }
}

function isPresent(): boolean {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    // Not on PATH, or not runnable: both mean that it is not there.
    return false;
  }
}
