import { type Command } from 'commander';
import { addTopicFlags, type TopicFlags } from './flags/resource-flags.js';
import type * as Commands from './commands/topic.js';
import { type RunClient } from './program.js';

const load = (): Promise<typeof Commands> => import('./commands/topic.js');

/** hermes topic create | update | describe | delete | list */
export function addTopicCommands(program: Command, run: RunClient): void {
  const topic = program.command('topic').description('create, change, look at and delete topics');
  const create = topic.command('create <topic>').description('create a topic');
  addTopicFlags(create, 'create').action((name: string, flags: TopicFlags) =>
    run(load, (commands, session) => commands.createTopic(session, name, flags)),
  );
  const update = topic.command('update <topic>').description('change what is given');
  addTopicFlags(update, 'update').action((name: string, flags: TopicFlags) =>
    run(load, (commands, session) => commands.updateTopic(session, name, flags)),
  );
  topic
    .command('describe <topic>')
    .description('show its settings and what its partitions hold')
    .action((name: string) => run(load, (commands, session) => commands.describeTopic(session, name)));
  topic
    .command('delete <topic>')
    .description('delete it with all its messages and groups')
    .option('--force', 'despite subscriptions')
    .option('--etag <etag>', 'refuse if it has changed since')
    .action((name: string, flags: { force?: boolean; etag?: string }) =>
      run(load, (commands, session) => commands.deleteTopic(session, name, flags)),
    );
  topic
    .command('list')
    .description('list all topics')
    .action(() => run(load, (commands, session) => commands.listTopics(session)));
}
