import { type Command } from 'commander';
import type * as Completion from './commands/completion.js';
import { type Terminal } from './terminal.js';

/** hermes completion SHELL: a script that completes commands and flags, to be sourced. */
export function addCompletionCommand(program: Command, terminal: Terminal): void {
  program
    .command('completion')
    .description('print a script that completes commands and flags: source <(hermes completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string, _flags: object, command: Command) => {
      const { completionScript, SHELLS }: typeof Completion = await import('./commands/completion.js');
      const known = SHELLS.find((one) => one === shell);
      if (known === undefined) {
        command.error(`error: the shells are ${SHELLS.join(', ')}`);
      } else {
        await terminal.print(completionScript(program, known).trimEnd());
      }
    });
}
