import { runCli } from './program.js';
import { Terminal } from './terminal.js';

/** Commands that drain on Ctrl-C by themselves. */
const SERVERS = ['up', 'meta-server', 'broker', 'gateway'];

/**
 * Everything is stopped and answered by then. What may still keep the process is out of our hands and takes minutes: an
 * attempt to connect to a host that is gone, a name server that does not answer gRPC's questions.
 */
const EXIT_AFTER_MS = 1_000;

async function main(): Promise<void> {
  const { stdin, stdout, stderr, argv } = process;
  // eslint-disable-next-line no-restricted-syntax -- the composition root hands the environment on.
  const terminal = new Terminal({ stdin, stdout, stderr, env: process.env });
  const args = argv.slice(2);
  if (!runsServer(args)) {
    process.once('SIGINT', () => {
      terminal.interrupt();
    });
  }
  process.exitCode = await runCli(args, terminal);
  setTimeout(() => {
    // eslint-disable-next-line no-process-exit -- see EXIT_AFTER_MS.
    process.exit();
  }, EXIT_AFTER_MS).unref();
}

function runsServer(args: readonly string[]): boolean {
  const at = args.findIndex((arg) => SERVERS.includes(arg));
  return at !== -1 && !['list', 'drain'].includes(args[at + 1] ?? '');
}

void main();
