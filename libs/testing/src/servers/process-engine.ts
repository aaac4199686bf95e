import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Engine } from './engine.js';
import { whenStopped } from './when-stopped.js';

const LOG_TAIL_CHARS = 2_000;

/** A server as a child process that has a directory of the run, with its log, for itself. */
export class ProcessEngine implements Engine {
  #child: ChildProcess | undefined;

  /** The command line must name the directory: by that the run's reaper knows the process. */
  constructor(
    private readonly directory: string,
    private readonly commandLine: readonly string[],
  ) {}

  async start(): Promise<void> {
    const [command = '', ...args] = this.commandLine;
    const log = openSync(this.#logFile, 'a');
    // Detached: a Ctrl-C meant for the tests does not reach it, and it may outlive the worker that started it.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    await once(child, 'spawn');
    child.unref();
    writeFileSync(join(this.directory, 'pid'), String(child.pid));
    this.#child = child;
  }

  failure(): Promise<string | undefined> {
    const child = this.#child;
    if (child !== undefined && isRunning(child)) {
      return Promise.resolve(undefined);
    }
    const log = readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_CHARS);
    return Promise.resolve(`the process ended with ${child?.exitCode ?? child?.signalCode ?? 'nothing'}:\n${log}`);
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !isRunning(child)) {
      return;
    }
    const gone = once(child, 'exit');
    child.kill(signal);
    // A paused process takes the signal when it goes on.
    child.kill('SIGCONT');
    await gone;
  }

  async pause(): Promise<void> {
    const pid = this.#child?.pid;
    if (pid !== undefined) {
      this.#child?.kill('SIGSTOP');
      await whenStopped(pid);
    }
  }

  resume(): Promise<void> {
    this.#child?.kill('SIGCONT');
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #logFile(): string {
    return join(this.directory, 'log');
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
