import { fstatSync } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { EXIT_CODE, ExitError } from '@hermes/kit';

/** Biggest body that any topic may allow. */
const BODY_BYTES_MAX = 8 * 1_048_576;
const NEWLINE = 0x0a;

/** Everything, as one body. */
export async function readAll(input: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(input, signal)) {
    bytes += chunk.length;
    chunks.push(chunk);
    refuseAbove(bytes, 'the input');
  }
  return Buffer.concat(chunks);
}

/** Lines without their ends, in batches; what has arrived is passed on at once. */
export async function* readLines(
  input: Readable,
  limits: { readonly linesMax: number; readonly bytesMax: number; readonly signal: AbortSignal },
): AsyncGenerator<Buffer[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunksOf(input, limits.signal)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let lines: Buffer[] = [];
    let batchBytes = 0;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const line = bytes.subarray(start, end);
      if (lines.length === limits.linesMax || (lines.length > 0 && batchBytes + line.length > limits.bytesMax)) {
        yield lines;
        lines = [];
        batchBytes = 0;
      }
      lines.push(line);
      batchBytes += line.length;
      start = end + 1;
    }
    if (lines.length > 0) {
      yield lines;
    }
    rest = bytes.subarray(start);
    refuseAbove(rest.length, 'a line');
  }
  if (rest.length > 0) {
    yield [rest];
  }
}

async function* chunksOf(input: Readable, signal: AbortSignal): AsyncGenerator<Buffer> {
  refuseDirectory(input);
  try {
    for await (const chunk of addAbortSignal(signal, input)) {
      yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string);
    }
  } catch (error) {
    throw signal.aborted
      ? (signal.reason as Error)
      : new ExitError(EXIT_CODE.INPUT, 'standard input cannot be read', { cause: error });
  }
}

/** Node reads a directory as if it were empty. */
function refuseDirectory(input: Readable & { readonly fd?: unknown }): void {
  if (typeof input.fd === 'number' && fstatSync(input.fd).isDirectory()) {
    throw new ExitError(EXIT_CODE.INPUT, 'standard input is a directory');
  }
}

function refuseAbove(bytes: number, what: string): void {
  if (bytes > BODY_BYTES_MAX) {
    throw new ExitError(EXIT_CODE.INPUT, `${what} is above 8 MiB, the biggest body of any topic`);
  }
}
