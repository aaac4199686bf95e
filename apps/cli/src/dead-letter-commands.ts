import { type Command } from 'commander';
import type * as Commands from './commands/dead-letter.js';
import { strings } from './flags/values.js';
import { type RunClient } from './program.js';

const load = (): Promise<typeof Commands> => import('./commands/dead-letter.js');

/** hermes dlq list | redrive | discard */
export function addDeadLetterCommands(program: Command, run: RunClient): void {
  const dlq = program.command('dlq').description('look at, redrive and discard the messages that a group gave up');
  dlq
    .command('list <topic> <group>')
    .description('list them')
    .option('--filter <expression>', 'only those that it matches')
    .action((topic: string, group: string, flags: { filter?: string }) =>
      run(load, (commands, session) => commands.listDeadLetters(session, { topic, group }, flags)),
    );
  const redrive = dlq.command('redrive <topic> <group>').description('give them back to the group, as attempt 1');
  addSelection(redrive).action((topic: string, group: string, flags: Commands.DeadLetterFlags) =>
    run(load, (commands, session) => commands.redriveDeadLetters(session, { topic, group }, flags)),
  );
  const discard = dlq.command('discard <topic> <group>').description('delete them');
  addSelection(discard).action((topic: string, group: string, flags: Commands.DeadLetterFlags) =>
    run(load, (commands, session) => commands.discardDeadLetters(session, { topic, group }, flags)),
  );
}

function addSelection(command: Command): Command {
  return command
    .option('--id <message-id>', 'this one; may be repeated', strings)
    .option('--filter <expression>', 'those that it matches')
    .option('--all', 'all of them');
}
