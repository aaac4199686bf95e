import {
  createLogger,
  EXIT_CODE,
  type ExitCode,
  type Logger,
  type LogLevel,
  runProcess,
  type RunningService,
} from '@hermes/kit';
import { SERVERS, type ServerName } from '../servers/servers.js';
import { endWithSupervisor } from '../supervisor/supervisor.js';
import { type Terminal } from '../terminal.js';

/** Flags of a server command: settings by their keys, as text. */
export type SettingFlags = Readonly<Record<string, unknown>>;

/** hermes meta-server | broker | gateway: runs one server until SIGTERM or Ctrl-C. */
export async function serve(terminal: Terminal, name: ServerName, flags: SettingFlags): Promise<ExitCode> {
  const { printConfig, ...settings } = flags;
  const kind = await SERVERS[name]();
  const { config, start } = kind.prepare({ flags: settings, env: terminal.env });
  if (printConfig === true) {
    await printSettings(terminal, config);
    return EXIT_CODE.OK;
  }
  endWithSupervisor();
  return run(terminal, { component: name, level: config.logLevel, drainMs: config.drainMs }, start);
}

/** Runs a service for the life of the process, with a log of its own. */
export function run(
  terminal: Terminal,
  { drainMs, ...log }: { readonly component: string; readonly level: LogLevel; readonly drainMs: number },
  start: (logger: Logger) => Promise<RunningService>,
): Promise<ExitCode> {
  const logger = createLogger(log);
  return runProcess({
    logger,
    drainMs,
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
