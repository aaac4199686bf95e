import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { env } from 'node:process';

import type { ConnectOptions } from '@hermes/client';
import { eventually } from '@hermes/testing';

const PROGRAM = join(__dirname, '..', 'programs', 'consumer.cjs');
const PATIENCE = { deadlineMs: 30_000 };

/** One delivery, as a consumer in another process got it. */
export interface SeenDelivery {
  readonly id: string;
  readonly body: string;
  readonly attempt: number;
  readonly fencingToken: number;
}

type Said =
  | { readonly delivered: SeenDelivery }
  | { readonly settled: string }
  | { readonly refused: string; readonly code: string }
  | { readonly ended: string };

/** What a consumer process takes part in, and how it gets there. */
export interface ConsumerPlace {
  readonly connect: Pick<ConnectOptions, 'gateway' | 'metaServers'>;
  readonly topic: string;
  readonly group: string;
  readonly name: string;
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A consumer in a process of its own. It holds what it gets until it is told to acknowledge it. */
export class ConsumerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #output = '';

  constructor({ connect, topic, group, name, environment }: ConsumerPlace) {
    const args = [PROGRAM, JSON.stringify(connect), topic, group, name];
    this.#child = spawn(process.execPath, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...env, ...environment },
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
  }

  /** Everything that it was given, in order. */
  get deliveries(): SeenDelivery[] {
    return this.#said.flatMap((said) => ('delivered' in said ? [said.delivered] : []));
  }

  /** Waits until it has been given `count` deliveries in all. */
  async has(count: number): Promise<SeenDelivery[]> {
    await eventually(() => {
      expect(this.deliveries.map(({ body }) => body)).toHaveLength(count);
    }, PATIENCE);
    return this.deliveries;
  }

  /** Lets it acknowledge a delivery: `OK`, or the code of the error. */
  async acknowledge(id: string): Promise<string> {
    this.#child.stdin?.write(`${id}\n`);
    return eventually(() => {
      const answer = this.#said.find(
        (said) => ('settled' in said ? said.settled : 'refused' in said && said.refused) === id,
      );
      expect(answer).toBeDefined();
      return answer !== undefined && 'code' in answer ? answer.code : 'OK';
    }, PATIENCE);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await gone;
    }
  }

  get #said(): Said[] {
    const lines = this.#output.split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Said);
  }
}
