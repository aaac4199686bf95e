import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env, getuid, stderr } from 'node:process';

import { temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

const LIBRARY = join('faketime', 'libfaketime.so.1');
/** Where distributions have it. */
const LIBRARY_DIRECTORIES = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
const APT = ['-qq', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Use-Pty=0'];

/** Wall clocks of processes, each of which can be set while its process runs. Monotonic clocks stay true. */
export class FalseClocks implements Disposable {
  readonly #directory: TemporaryDirectory = temporaryDirectory('hermes-clocks-');
  readonly #library = findLibrary();

  /** What a process is to be started with: its clock is true until it is set. */
  environmentOf = (title: string): Readonly<Record<string, string>> => {
    this.set(title, 0);
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file(title),
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  };

  /** From now on the wall clock of that process is wrong by so many seconds. */
  set(title: string, seconds: number): void {
    const file = this.#file(title);
    // Whoever reads it meanwhile reads the whole of the old one or of the new one.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
    renameSync(`${file}.new`, file);
  }

  [Symbol.dispose](): void {
    this.#directory.remove();
  }

  #file(title: string): string {
    return join(this.#directory.path, title);
  }
}

/** Installs it with apt-get where that may be done; else throws what is missing. */
function findLibrary(): string {
  const found = installedLibrary();
  if (found !== undefined) {
    return found;
  }
  if (!existsSync('/etc/debian_version') || getuid?.() !== 0) {
    throw new Error('tests with false clocks need libfaketime (Debian: apt-get install libfaketime)');
  }
  stderr.write('hermes: installing libfaketime with apt-get for tests with false clocks …\n');
  const quiet = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', 'libfaketime']]) {
    spawnSync('apt-get', [...APT, ...command], { stdio: ['ignore', 2, 2], env: quiet });
  }
  const installed = installedLibrary();
  if (installed === undefined) {
    throw new Error('apt-get has not installed libfaketime');
  }
  return installed;
}

function installedLibrary(): string | undefined {
  return LIBRARY_DIRECTORIES.filter(existsSync)
    .flatMap((directory) => [directory, ...readdirSync(directory).map((name) => join(directory, name))])
    .map((directory) => join(directory, LIBRARY))
    .find(existsSync);
}
