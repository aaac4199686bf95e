import { spawn } from 'node:child_process';
import { env } from 'node:process';

/** What became of a program. */
export interface ProgramEnd {
  /** 0 for an endless one that was ended. */
  readonly code: number | null;
  /** Both of its streams. */
  readonly output: string;
}

export interface ProgramOptions {
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** It goes on for ever, and is ended once it has written a line. */
  readonly isEndless?: boolean;
}

export function runProgram(
  command: string,
  args: readonly string[],
  { environment, isEndless = false }: ProgramOptions = {},
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...env, ...environment } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (isEndless && output.includes('\n')) {
          child.kill();
        }
      });
    }
    child.on('exit', (code, signal) => {
      resolve({ code: isEndless && signal === 'SIGTERM' ? 0 : code, output });
    });
  });
}
