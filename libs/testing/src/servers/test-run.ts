import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readdirSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { env, execPath, pid } from 'node:process';

import { eventually } from '../eventually.js';
import { isAlive } from '../is-alive.js';

/** Installing and starting a server for the first time may take minutes. */
export const ONCE_DEADLINE_MS = 600_000;
const PREFIX = 'hermes-test-run-';
const REAPER = join(__dirname, '..', '..', 'reaper.mjs');

/** What one `once` left for the other processes of the run. */
type Outcome<T> = { readonly value: T } | { readonly error: string };

/**
 * What the processes of one test run share: a directory, and the servers in it. It lives as long as its owner, the
 * process that HERMES_TEST_RUN begins with (`<pid>-<any>`; Jest's preset sets it), or this process if it is unset. A
 * reaper, a process of its own, waits for the owner's end, however that comes, and then ends what the run started.
 */
export class TestRun {
  private constructor(
    readonly id: string,
    readonly directory: string,
  ) {}

  /** Joins the run of this process, or begins it: then what earlier runs without a living owner left is swept, too. */
  static open(): TestRun {
    const id = (env['HERMES_TEST_RUN'] ??= `${pid}-${Date.now().toString(36)}`);
    const run = new TestRun(id, join(tmpdir(), PREFIX + id));
    if (makeDirectory(run.directory)) {
      spawnReaper(run.directory);
      const others = readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX));
      others
        .map((name) => TestRun.directoryNamed(name))
        .filter((other) => !isAlive(ownerOf(other)))
        .forEach(spawnReaper);
    }
    return run;
  }

  /** Where the run's directory of this name is. */
  static directoryNamed(name: string): string {
    return join(tmpdir(), name);
  }

  /** Makes a directory that no other process of the run has. */
  newDirectory(prefix: string): string {
    for (let number = 1; ; number += 1) {
      const path = join(this.directory, `${prefix}-${number}`);
      if (makeDirectory(path)) {
        return path;
      }
    }
  }

  /**
   * Runs `make` once in the whole run and gives what it gave, to every process that asks, then or later. It must be
   * JSON. A failure is shared as well: nobody tries again what takes minutes to fail.
   */
  async once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const file = join(this.directory, `${name}.json`);
    if (takeLock(`${file}.lock`)) {
      await make().then(
        (value) => {
          leave(file, { value });
        },
        (error: unknown) => {
          leave(file, { error: error instanceof Error ? error.message : String(error) });
        },
      );
    }
    const look = { deadlineMs: ONCE_DEADLINE_MS, intervalMs: 50 };
    const outcome = (await eventually(() => read<T>(file), look)) as Outcome<T>;
    if ('error' in outcome) {
      throw new Error(outcome.error);
    }
    return outcome.value;
  }
}

/** Makes it unless it exists; says whether it did. */
function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    return ignoreExisting(error);
  }
}

function takeLock(file: string): boolean {
  try {
    writeSync(openSync(file, 'wx'), String(pid));
    return true;
  } catch (error) {
    return ignoreExisting(error);
  }
}

function ignoreExisting(error: unknown): false {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
    throw error;
  }
  return false;
}

/** Readers see the whole file or none. */
function leave<T>(file: string, outcome: Outcome<T>): void {
  writeFileSync(`${file}.${pid}`, JSON.stringify(outcome), { mode: 0o600 });
  renameSync(`${file}.${pid}`, file);
}

/** What `leave` left; an error if the process that was to leave it has died, false while it is at work. */
function read<T>(file: string): Outcome<T> | false {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Outcome<T>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw error;
    }
  }
  const maker = readFileSync(`${file}.lock`, 'utf8');
  return maker === '' || isAlive(Number(maker)) ? false : { error: `process ${maker} died while it made ${file}` };
}

function ownerOf(directory: string): number {
  return Number.parseInt(basename(directory).slice(PREFIX.length), 10);
}

function spawnReaper(directory: string): void {
  spawn(execPath, [REAPER, String(ownerOf(directory)), directory], { detached: true, stdio: 'ignore' }).unref();
}
