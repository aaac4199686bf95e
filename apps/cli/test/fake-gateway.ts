import {
  AdminServiceService,
  type AcknowledgeRequest,
  MessagingServiceService,
  PartitionServiceService,
} from '@hermes/contracts';
import { createGrpcServer, createMetrics, type Handlers, notImplementedHandler, silentLogger } from '@hermes/kit';
import { PassThrough, Writable } from 'node:stream';
import { runCli } from '../src/program.js';
import { Terminal } from '../src/terminal.js';

type AllHandlers = Handlers<typeof AdminServiceService> &
  Handlers<typeof MessagingServiceService> &
  Handlers<typeof PartitionServiceService>;

/** A gateway whose answers a test decides; what it does not decide is not implemented. */
export interface FakeGateway extends AsyncDisposable {
  readonly address: string;
}

/** Starts a fake gateway on a free port. */
export async function startFakeGateway(handlers: Partial<AllHandlers>): Promise<FakeGateway> {
  const server = createGrpcServer({ logger: silentLogger, metrics: createMetrics('fake') });
  const complete = <S extends object>(service: S): Handlers<S> =>
    Object.fromEntries(
      Object.keys(service).map((name) => [
        name,
        (handlers as Record<string, unknown>)[name] ?? notImplementedHandler(name),
      ]),
    ) as unknown as Handlers<S>;
  server.add(AdminServiceService, complete(AdminServiceService));
  server.add(MessagingServiceService, complete(MessagingServiceService));
  server.add(PartitionServiceService, complete(PartitionServiceService));
  const port = await server.listen('127.0.0.1', 0);
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: () => server.stop(0) };
}

/** What one command line did. */
export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line that runs, for tests that look or interrupt meanwhile. */
export interface RunningCli {
  readonly terminal: Terminal;
  readonly done: Promise<CliRun>;
  stdout(): string;
}

/** Starts a command line in this process. */
export function startCli(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Record<string, string>; readonly stdout?: Writable } = {},
): RunningCli {
  const stdin = Object.assign(new PassThrough(), { isTTY: options.input === undefined });
  stdin.end(options.input ?? '');
  const written = { out: '', err: '' };
  const collect = (name: 'out' | 'err'): Writable =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        written[name] += chunk.toString();
        done();
      },
    });
  const terminal = new Terminal({
    stdin,
    stdout: options.stdout ?? collect('out'),
    stderr: collect('err'),
    env: options.env ?? {},
  });
  const done = runCli(args, terminal).then((exitCode) => ({ exitCode, stdout: written.out, stderr: written.err }));
  return { terminal, done, stdout: () => written.out };
}

/** Runs a command line to its end. */
export function cli(args: readonly string[], options: Parameters<typeof startCli>[1] = {}): Promise<CliRun> {
  return startCli(args, options).done;
}

/** Every entry as its outcome's number and its receipt's text. */
export function settled(request: AcknowledgeRequest): string[] {
  return request.entries.map(({ receipt, outcome }) => `${outcome}:${receipt.toString()}`);
}
