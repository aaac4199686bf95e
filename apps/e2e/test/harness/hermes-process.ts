import { type ChildProcess, spawn } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { env } from 'node:process';

import { eventually } from '@hermes/testing';

/** The built executable. */
export const PROGRAM = join(__dirname, '..', '..', '..', 'cli', 'dist', 'main.js');
/** Last part of the output that is kept for error messages. */
const OUTPUT_CHARS_MAX = 20_000;
/** How long a process may take to become ready on a busy machine. */
const READY_DEADLINE_MS = 30_000;

/** What of that is shown when a test fails: the last so many warnings and errors. */
const COMPLAINTS_SHOWN = 12;
const COMPLAINT = /^\{"level":"(warn|error|fatal)"/;

/** Those that were started since a test last failed. */
const started = new Set<HermesProcess>();

/** Called by environment.cjs. */
(globalThis as { hermesTestFailed?: () => void }).hermesTestFailed = () => {
  for (const { title, output } of started) {
    const complaints = output.split('\n').filter((line) => COMPLAINT.test(line));
    process.stderr.write([`-- ${title}:`, ...complaints.slice(-COMPLAINTS_SHOWN), ''].join('\n'));
  }
  started.clear();
};

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One `hermes …` process, started as an operator would start it. */
export class HermesProcess {
  readonly title: string;
  readonly #args: readonly string[];
  readonly #opsPort: number | undefined;
  readonly #environment: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #end: Promise<ProcessEnd> | undefined;
  #output = '';

  constructor(
    title: string,
    args: readonly string[],
    opsPort?: number,
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.title = title;
    this.#args = args;
    this.#opsPort = opsPort;
    this.#environment = environment;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) {
      throw new Error(`${this.title} does not run`);
    }
    return pid;
  }

  /** What it printed lately, on both streams. */
  get output(): string {
    return this.#output;
  }

  /** Spawns the process; it may be called again after the process has ended. */
  start(): void {
    const child = spawn(process.execPath, [PROGRAM, ...this.#args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, ...this.#environment },
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
    started.add(this);
    this.#end = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
  }

  /** Starts the process and waits until its ops port answers `ready`. */
  async startReady(): Promise<void> {
    this.start();
    await this.ready();
  }

  async ready(): Promise<void> {
    await eventually(
      async () => {
        if (this.#child?.exitCode !== null) {
          throw new Error(`${this.title} ended:\n${this.#output}`);
        }
        const status = await httpStatus(this.#opsPort ?? 0, '/readyz');
        if (status !== 200) {
          throw new Error(`${this.title} is not ready (${status}):\n${this.#output}`);
        }
      },
      { deadlineMs: READY_DEADLINE_MS },
    );
  }

  /** What its ops port answers, as a scraper or a probe sees it. */
  async ops(path: string): Promise<{ status: number; text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.#opsPort ?? 0}${path}`);
    return { status: response.status, text: await response.text() };
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<ProcessEnd> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) {
      this.signal(signal);
    }
    return this.ended();
  }

  ended(): Promise<ProcessEnd> {
    return this.#end ?? Promise.resolve({ code: null, signal: null });
  }
}

function httpStatus(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path, timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', () => {
        resolve(0);
      })
      .on('timeout', function (this: { destroy(): void }) {
        this.destroy();
      });
  });
}
