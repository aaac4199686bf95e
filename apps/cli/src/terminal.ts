import { once } from 'node:events';
import { type Readable, type Writable } from 'node:stream';

/** Why a command must end before it is through. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly exitCode: 0 | 130;

  constructor(kind: 'interrupted' | 'output closed') {
    super(kind);
    this.exitCode = kind === 'interrupted' ? 130 : 0;
  }
}

/** What a command has of the outside: streams, environment, and being told to end. */
export class Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #abort = new AbortController();

  constructor(streams: Pick<Terminal, 'stdin' | 'stdout' | 'stderr' | 'env'>) {
    this.stdin = streams.stdin;
    this.stdout = streams.stdout;
    this.stderr = streams.stderr;
    this.env = streams.env;
    // `hermes … | head`: nobody reads any more, which is no failure.
    this.stdout.on('error', () => {
      this.#abort.abort(new Interruption('output closed'));
    });
    this.stderr.on('error', () => undefined);
  }

  /** Aborts with an Interruption. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#abort.abort(new Interruption('interrupted'));
  }

  /** Writes a line to standard output; resolves once there is room for more. */
  async print(line: string): Promise<void> {
    this.signal.throwIfAborted();
    if (!this.stdout.write(`${line}\n`)) {
      await once(this.stdout, 'drain', { signal: this.signal }).catch((error: unknown) => {
        this.signal.throwIfAborted();
        throw error;
      });
    }
  }

  /** Writes a line to standard error: progress, hints, failures. */
  note(line: string): void {
    this.stderr.write(`${line}\n`);
  }
}
