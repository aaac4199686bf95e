import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { temporaryDirectory } from '@hermes/testing';

const LIBRARIES = '/usr/lib';

/** The wall clock of processes that have its environment; their monotonic clock goes on as it is. */
export class SteppedClock implements Disposable {
  readonly #directory = temporaryDirectory('hermes-clock-');
  readonly environment: Readonly<Record<string, string>>;

  constructor() {
    this.environment = {
      LD_PRELOAD: requireFaketime(),
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    this.step(0);
  }

  /** From now on it is so many seconds ahead of the machine's, or behind it. */
  step(aheadSeconds: number): void {
    writeFileSync(this.#file, aheadSeconds < 0 ? String(aheadSeconds) : `+${aheadSeconds}`);
  }

  [Symbol.dispose](): void {
    this.#directory.remove();
  }

  get #file(): string {
    return join(this.#directory.path, 'offset');
  }
}

/** libfaketime: on Debian as root it is installed, else the test fails and says what to do. */
function requireFaketime(): string {
  if (find() === undefined && existsSync('/usr/bin/apt-get') && process.getuid?.() === 0) {
    process.stderr.write('libfaketime is missing and needed to step clocks: apt-get install libfaketime\n');
    const options = { stdio: 'ignore', timeout: 120_000 } as const;
    execFileSync('apt-get', ['update', '-q'], options);
    execFileSync('apt-get', ['install', '-qy', '--no-install-recommends', 'libfaketime'], options);
  }
  const library = find();
  if (library === undefined) {
    throw new Error('this test steps clocks with libfaketime: install it and run again');
  }
  return library;
}

function find(): string | undefined {
  const directories = [LIBRARIES, ...readdirSync(LIBRARIES).map((name) => join(LIBRARIES, name))];
  return directories.map((directory) => join(directory, 'faketime', 'libfaketime.so.1')).find(existsSync);
}
