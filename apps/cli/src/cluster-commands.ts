import { type Command } from 'commander';
import type * as Commands from './commands/cluster.js';
import type * as Moves from './commands/move-partitions.js';
import { integer } from './flags/values.js';
import { type RunClient } from './program.js';

const loadMoves = (): Promise<typeof Moves> => import('./commands/move-partitions.js');
const load = (): Promise<typeof Commands> => import('./commands/cluster.js');

/** hermes cluster, hermes broker list | drain, hermes partition list | move, hermes rebalance */
export function addClusterCommands(program: Command, run: RunClient): void {
  program
    .command('cluster')
    .description('show the leader, the meta-servers, the brokers and the consumers')
    .action(() => run(load, (commands, session) => commands.showCluster(session)));
  const broker = program.commands.find((command) => command.name() === 'broker') ?? program.command('broker');
  broker
    .command('list')
    .description('list the brokers')
    .action(() => run(load, (commands, session) => commands.listBrokers(session)));
  broker
    .command('drain <broker>')
    .description('move its partitions to others, before it is stopped')
    .option('--wait', 'until only those that are bound to its data directory are left')
    .option('--cancel', 'let it take partitions again')
    .action((name: string, flags: { wait?: boolean; cancel?: boolean }) =>
      run(
        () => import('./commands/drain-broker.js'),
        (commands, session) => commands.drainBroker(session, name, flags),
      ),
    );
  const partition = program.command('partition').description('look at partitions, and move them');
  partition
    .command('list [topic]')
    .description('list partitions and their owners')
    .action((topic: string | undefined) =>
      run(load, (commands, session) => commands.listPartitions(session, topic ?? '')),
    );
  partition
    .command('move')
    .description('move a partition to a broker, where it stays until that one leaves or `hermes rebalance`')
    .argument('<topic>')
    .argument('<partition>', 'its number', integer)
    .argument('<broker>')
    .action((topic: string, number: number, to: string) =>
      run(loadMoves, (commands, session) => commands.movePartition(session, { topic, partition: number, broker: to })),
    );
  program
    .command('rebalance')
    .description('spread partitions evenly again, those moved by hand included')
    .option('--dry-run', 'only show what would move')
    .action((flags: { dryRun?: boolean }) =>
      run(loadMoves, (commands, session) => commands.rebalance(session, flags.dryRun ?? false)),
    );
}
