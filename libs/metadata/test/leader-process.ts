import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { eventually } from '@hermes/testing';

import { type TestDatabase } from './test-database.js';

type Fact = Readonly<Record<string, unknown>>;

/** A leader in a process of its own, so that it can be stopped and killed. */
export class LeaderProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly facts: Fact[] = [];

  constructor({ url, passwordFile = '' }: TestDatabase, holder: string) {
    this.#child = spawn(process.execPath, [join(__dirname, 'run-leader.cjs'), url, passwordFile, holder]);
    createInterface(this.#child.stdout).on('line', (line) => {
      this.facts.push(JSON.parse(line) as Fact);
    });
  }

  /** Waits for a line that has `key`. */
  async fact(key: string, deadlineMs = 15_000): Promise<Fact> {
    return eventually(
      () => {
        const found = this.facts.find((fact) => key in fact);
        if (found === undefined) {
          throw new Error(`no ${key} in ${JSON.stringify(this.facts)}`);
        }
        return found;
      },
      { deadlineMs },
    );
  }

  /** Lets it stop itself in the middle of a transaction. */
  freeze(): void {
    this.#child.stdin.write('freeze\n');
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
  }
}
