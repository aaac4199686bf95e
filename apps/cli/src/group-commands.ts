import { type Command } from 'commander';
import { addGroupFlags, type GroupFlags } from './flags/resource-flags.js';
import type * as Commands from './commands/group.js';
import type * as Seek from './commands/seek.js';
import { position, type PositionFlag } from './flags/position.js';
import { integers } from './flags/values.js';
import { type RunClient } from './program.js';

const load = (): Promise<typeof Commands> => import('./commands/group.js');

const loadSeek = (): Promise<typeof Seek> => import('./commands/seek.js');

/** hermes group create | update | describe | delete | seek | list */
export function addGroupCommands(program: Command, run: RunClient): void {
  const group = program.command('group').description('create, change, look at and delete consumer groups');
  const create = group.command('create <topic> <group>').description('create a group');
  addGroupFlags(create, 'create').action((topic: string, name: string, flags: GroupFlags) =>
    run(load, (commands, session) => commands.createGroup(session, { topic, group: name }, flags)),
  );
  const update = group.command('update <topic> <group>').description('change what is given');
  addGroupFlags(update, 'update').action((topic: string, name: string, flags: GroupFlags) =>
    run(load, (commands, session) => commands.updateGroup(session, { topic, group: name }, flags)),
  );
  group
    .command('describe <topic> <group>')
    .description('show its settings, progress and consumers')
    .action((topic: string, name: string) =>
      run(load, (commands, session) => commands.describeGroup(session, { topic, group: name })),
    );
  group
    .command('delete <topic> <group>')
    .description('delete it with its progress')
    .option('--force', 'despite subscriptions')
    .option('--etag <etag>', 'refuse if it has changed since')
    .action((topic: string, name: string, flags: { force?: boolean; etag?: string }) =>
      run(load, (commands, session) => commands.deleteGroup(session, { topic, group: name }, flags)),
    );
  group
    .command('seek')
    .description('move it, also while it is consumed: retries from there on are dropped, dead letters kept')
    .argument('<topic>')
    .argument('<group>')
    .argument('<position>', 'earliest, latest, a time, P/L/OFFSET, +N or -N (after --: -- T G -N)', position)
    .option('--partition <n>', 'only this one; may be repeated', integers)
    .option('--dry-run', 'only tell where it would go')
    .action((topic: string, name: string, to: PositionFlag, flags: { partition?: number[]; dryRun?: boolean }) =>
      run(loadSeek, (commands, session) => commands.seekGroup(session, { topic, group: name }, to, flags)),
    );
  group
    .command('list <topic>')
    .description("list a topic's groups")
    .action((topic: string) => run(load, (commands, session) => commands.listGroups(session, topic)));
}
