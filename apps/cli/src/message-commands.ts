import { type Command, Option } from 'commander';
import type * as Cancel from './commands/cancel.js';
import type * as GetMessage from './commands/get-message.js';
import type * as Publish from './commands/publish.js';
import type * as Tail from './commands/tail.js';
import { position } from './flags/position.js';
import { durationMs, integer, integers, pairs, time } from './flags/values.js';
import { type RunClient } from './program.js';

const loadPublish = (): Promise<typeof Publish> => import('./commands/publish.js');
const loadTail = (): Promise<typeof Tail> => import('./commands/tail.js');

const loadCancel = (): Promise<typeof Cancel> => import('./commands/cancel.js');
const loadGet = (): Promise<typeof GetMessage> => import('./commands/get-message.js');

/** hermes publish, hermes cancel, hermes message get, hermes tail */
export function addMessageCommands(program: Command, run: RunClient): void {
  program
    .command('publish <topic> [body]')
    .description('publish a message; - or nothing reads it from standard input')
    .option('--lines', 'every line of standard input is a message')
    .option('--key <key>', 'ordering and partitioning key')
    .option('--ref-key <key>', 'business key for look-up')
    .option('--attr <name=value>', 'an attribute; may be repeated', pairs)
    .option('--content-type <type>', 'what the body is')
    .option('--partition <n>', 'instead of by key', integer)
    .option('--priority <n>', 'lane; 0 is the lowest', integer)
    .addOption(
      new Option('--delay <duration>', 'deliver it so much later').argParser(durationMs).conflicts('deliverAt'),
    )
    .option('--deliver-at <time>', 'deliver it then: 2026-01-31T12:00:00Z', time)
    .option('--ttl <duration>', 'do not deliver it after so long', durationMs)
    .addOption(new Option('--idempotency-key <key>', 'store it once, however often it is sent').conflicts('lines'))
    .action((topic: string, body: string | undefined, flags: Publish.PublishFlags) =>
      run(loadPublish, (commands, session) => commands.publish(session, topic, body, flags)),
    );
  program
    .command('cancel <schedule-id>')
    .description('withdraw a message that waits for its time')
    .action((scheduleId: string) => run(loadCancel, (commands, session) => commands.cancel(session, scheduleId)));
  program
    .command('message')
    .description('look at one message')
    .command('get <message-id>')
    .description('show it: topic/partition/lane/offset')
    .action((messageId: string) => run(loadGet, (commands, session) => commands.getMessage(session, messageId)));
  program
    .command('tail <topic>')
    .description('show messages as they come: with --group as a consumer that acknowledges, without only looking')
    .option('--group <group>', 'take part as a consumer of this group')
    .option('--consumer <name>', "the consumer's name")
    .option('--partition <n>', 'only this one; may be repeated', integers)
    .option('--start <position>', 'where to begin: earliest (default), latest, a time, P/L/OFFSET', position)
    .option('--end <position>', 'where to end', position)
    .option('--filter <expression>', 'only messages that it matches; a group has its own')
    .option('--limit <n>', 'end after so many messages', integer)
    .option('--no-follow', 'end after what is there now')
    .action((topic: string, flags: Tail.TailFlags) =>
      run(loadTail, (commands, session) => commands.tail(session, topic, flags)),
    );
}
