import { createLogger, EXIT_CODE, type ExitCode, ExitError, runProcess } from '@hermes/kit';
import { type Terminal } from '../terminal.js';
import { SERVERS, type ServerName } from '../servers/servers.js';

/** Flags of a server command: settings by their keys, as text. */
export type SettingFlags = Readonly<Record<string, unknown>>;

/** hermes meta-server | broker | gateway: runs one server until SIGTERM or Ctrl-C. */
export async function serve(terminal: Terminal, name: ServerName, flags: SettingFlags): Promise<ExitCode> {
  const { processes, printConfig, ...settings } = flags;
  refuseProcesses(processes);
  const kind = await SERVERS[name]();
  const { config, start } = kind.prepare({ flags: settings, env: terminal.env });
  if (printConfig === true) {
    await printSettings(terminal, config);
    return EXIT_CODE.OK;
  }
  const logger = createLogger({ component: name, level: config.logLevel });
  return runProcess({
    logger,
    drainMs: config.drainMs,
    explain: (message) => {
      terminal.note(`hermes: ${message}`);
    },
    start: () => start(logger),
  });
}

/** `--print-config`: what would be used, as a configuration file. */
export function printSettings(terminal: Terminal, config: object): Promise<void> {
  return terminal.print(JSON.stringify(config, null, 2));
}

function refuseProcesses(processes: unknown): void {
  if (processes !== undefined && processes !== '1') {
    throw new ExitError(
      EXIT_CODE.USAGE,
      '--processes is not implemented in this release: start several brokers, each with its own ' +
        '--broker-port, --broker-ops-port and --data-dir',
    );
  }
}
