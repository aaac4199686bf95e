import { type Command } from 'commander';
import { addDataSourceFlags, type DataSourceFlags } from './flags/resource-flags.js';
import type * as Commands from './commands/data-source.js';
import { type RunClient } from './program.js';

const load = (): Promise<typeof Commands> => import('./commands/data-source.js');

/** hermes datasource create | list | describe | delete */
export function addDataSourceCommands(program: Command, run: RunClient): void {
  const source = program.command('datasource').description('add, list and remove MySQL servers and Kafka clusters');
  addDataSourceFlags(source.command('create <name>').description('add a server that topics may live on')).action(
    (name: string, flags: DataSourceFlags) =>
      run(load, (commands, session) => commands.createDataSource(session, name, flags)),
  );
  source
    .command('list')
    .description('list all data sources')
    .action(() => run(load, (commands, session) => commands.listDataSources(session)));
  source
    .command('describe <name>')
    .description('show its settings and what brokers find there')
    .action((name: string) => run(load, (commands, session) => commands.describeDataSource(session, name)));
  source
    .command('delete <name>')
    .description('remove one that no topic uses')
    .action((name: string) => run(load, (commands, session) => commands.deleteDataSource(session, name)));
}
