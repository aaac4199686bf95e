import { type Command } from 'commander';
import { type SettingFlags } from './commands/serve.js';
import { type ServerName } from './servers/servers.js';
import { processCount } from './supervisor/process-count.js';
import { type Terminal } from './terminal.js';

const DESCRIPTIONS: Readonly<Record<'up' | ServerName, string>> = {
  up: 'run everything in this one process, on embedded storage',
  'meta-server': 'run a meta-server, which coordinates the cluster',
  broker: 'run a broker, or list and drain brokers',
  gateway: 'run a gateway, the one address for all clients',
};

interface Context {
  readonly args: readonly string[];
  readonly terminal: Terminal;
  readonly onExit: (exitCode: number) => void;
}

/** hermes up | meta-server | broker | gateway */
export async function addServerCommands(program: Command, context: Context): Promise<void> {
  const { terminal, onExit } = context;
  const up = program.command('up').description(DESCRIPTIONS.up);
  up.option('--welcome', 'show three messages on their way').action(async (flags: SettingFlags) => {
    const commands = await import('./commands/up.js');
    onExit(await commands.up(terminal, flags));
  });
  await addSettings(up, context);
  for (const name of ['meta-server', 'broker', 'gateway'] as const) {
    const command = program.command(name).description(DESCRIPTIONS[name]);
    command.action(async ({ processes, ...flags }: SettingFlags) => {
      const count = processCount(processes);
      if (count > 1) {
        const { supervise } = await import('./commands/supervise.js');
        onExit(await supervise(terminal, count, flags));
      } else {
        const { serve } = await import('./commands/serve.js');
        onExit(await serve(terminal, name, flags));
      }
    });
    if (name === 'broker') {
      command.option(
        '--processes <n>',
        'brokers to run, on consecutive ports, each with a name and a data directory of its own (default 1)',
      );
    }
    await addSettings(command, context);
  }
}

/** One flag for each setting, from its schema; only for the command that runs, since schemas load whole servers. */
async function addSettings(command: Command, { args }: Context): Promise<void> {
  if (!isAsked(command.name(), args)) {
    return;
  }
  const { settingRows } = await import('./commands/setting-rows.js');
  command.option('--config <file>', 'settings as JSON; environment (HERMES_…) and flags win over it');
  for (const { flag, type, description, unit, fallback } of await settingRows(command.name())) {
    const value = type === 'boolean' ? '' : ` <${unit ?? type}>`;
    command.option(`${flag}${value}`, `${description}${fallback === undefined ? '' : ` (default ${fallback})`}`);
  }
  command.option('--print-config', 'show the settings that would be used, and end');
}

/** `hermes broker` runs a server; `hermes broker list` does not. */
function isAsked(name: string, args: readonly string[]): boolean {
  const at = args.indexOf(name);
  return at !== -1 && !['list', 'drain'].includes(args[at + 1] ?? '');
}
