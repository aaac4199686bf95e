import { Command, CommanderError, Option } from 'commander';
import { addClusterCommands } from './cluster-commands.js';
import { addCompletionCommand } from './completion-commands.js';
import { addDataSourceCommands } from './data-source-commands.js';
import { addDeadLetterCommands } from './dead-letter-commands.js';
import { durationMs, serverAddress } from './flags/values.js';
import { addGroupCommands } from './group-commands.js';
import { addMessageCommands } from './message-commands.js';
import { addServerCommands } from './server-commands.js';
import { type ClientOptions, type Session } from './session.js';
import { type Terminal } from './terminal.js';
import { addTopicCommands } from './topic-commands.js';
import { CLI_VERSION } from './version.js';

/** SDKs wait as long. */
const TIMEOUT_DEFAULT_MS = 10_000;
const SERVER_DEFAULT = '127.0.0.1:4380';
/** EXIT_CODE.USAGE, without loading the library that has it. */
const EXIT_USAGE = 64;

/** Runs a client command: `load` its module, open a connection, act. */
export type RunClient = <Commands>(
  load: () => Promise<Commands>,
  act: (commands: Commands, session: Session) => Promise<void>,
) => Promise<void>;

/**
 * Runs one command line and gives its exit code; nothing is thrown. Only the command that was asked for is loaded,
 * so that `hermes --help` answers at once.
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = createProgram(terminal);
  let exitCode = 0;
  try {
    await addServerCommands(program, {
      args,
      terminal,
      onExit: (code) => {
        exitCode = code;
      },
    });
    const run: RunClient = async (load, act) => {
      const [commands, { Session: Connection }] = await Promise.all([load(), import('./session.js')]);
      using session = new Connection(terminal, program.opts<ClientOptions>());
      await act(commands, session);
    };
    addTopicCommands(program, run);
    addGroupCommands(program, run);
    addMessageCommands(program, run);
    addDeadLetterCommands(program, run);
    addClusterCommands(program, run);
    addDataSourceCommands(program, run);
    addCompletionCommand(program, terminal);
    await program.parseAsync([...args], { from: 'user' });
    terminal.signal.throwIfAborted();
    return exitCode;
  } catch (error) {
    return explain(error, program, terminal);
  }
}

async function explain(error: unknown, program: Command, terminal: Terminal): Promise<number> {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  }
  const { failureOf } = await import('./failure.js');
  const { exitCode, message } = failureOf(error, program.opts<ClientOptions>().server);
  if (message !== undefined) {
    terminal.note(`hermes: ${message}`);
  }
  return exitCode;
}

function createProgram(terminal: Terminal): Command {
  return new Command('hermes')
    .description('An asynchronous message queue: its servers, topics, groups and messages.')
    .version(CLI_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    })
    .showHelpAfterError('(--help tells what there is)')
    .addOption(
      new Option('--server <host:port>', 'the gateway to ask, also HERMES_SERVER')
        .argParser(serverAddress)
        .default(terminal.env['HERMES_SERVER'] ?? SERVER_DEFAULT),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long an answer may take')
        .argParser(durationMs)
        .default(TIMEOUT_DEFAULT_MS, '10s'),
    )
    .addOption(
      new Option('-o, --output <format>', 'for people or for programs').choices(['table', 'json']).default('table'),
    );
}
