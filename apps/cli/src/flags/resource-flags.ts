import { type Command, Option } from 'commander';
import { position, type PositionFlag } from './position.js';
import { byteCount, decimal, durationMs, integer, pairs, words } from './values.js';

/** What the retry flags hold: a notation, or parts of an exponential policy. */
export interface RetryFlags {
  /** `1:[3,60]`, `2:[]`, `3:[5,1000]` */
  readonly retry?: string;
  readonly maxAttempts?: number;
  readonly retryInitial?: number;
  readonly retryMax?: number;
  readonly retryMultiplier?: number;
  readonly retryJitter?: number;
}

/** Settable fields of a topic; durations in milliseconds. */
export interface TopicFlags extends RetryFlags {
  readonly partitions?: number;
  readonly storageClass?: 'embedded' | 'mysql' | 'kafka';
  readonly dataSources?: readonly string[];
  readonly priorityLevels?: number;
  readonly maxBodyBytes?: number;
  readonly retentionAge?: number;
  readonly retentionBytes?: number;
  readonly hardRetentionAge?: number;
  readonly requiredDurability?: 'durable' | 'replicated' | 'buffered';
  readonly brokerGroup?: string;
  readonly paused?: boolean;
  readonly etag?: string;
  /** Of an existing Kafka topic. */
  readonly kafkaTopic?: string;
  readonly readOnly?: boolean;
  readonly stateStore?: 'data-source' | 'metadata' | 'data-directory';
}

/** Settable fields of a group; durations in milliseconds. */
export interface GroupFlags extends RetryFlags {
  readonly mode?: 'exclusive' | 'shared' | 'key-ordered';
  readonly start?: PositionFlag;
  readonly ackDeadline?: number;
  readonly filter?: string;
  readonly deadLetterExpired?: boolean;
  readonly paused?: boolean;
  readonly etag?: string;
}

/** Fields of a data source. */
export interface DataSourceFlags {
  readonly storageClass: 'mysql' | 'kafka';
  readonly endpoints: readonly string[];
  readonly database?: string;
  readonly username?: string;
  readonly secret?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly sasl?: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly replicationFactor?: number;
  readonly topicConfig?: ReadonlyMap<string, string>;
  readonly topicPrefix?: string;
}

/** Adds the flags of a data source's fields. There is none for a password: arguments are shown to everybody. */
export function addDataSourceFlags(command: Command): Command {
  return command
    .addOption(new Option('--storage-class <class>', 'what it is').choices(['mysql', 'kafka']).default('mysql'))
    .requiredOption('--endpoints <host:port>', 'its servers, separated by commas; for mysql the one that writes', words)
    .option('--database <name>', 'its database, for mysql')
    .option('--username <name>', 'who connects')
    .option('--secret <reference>', 'where brokers find the password: file:PATH or env:NAME')
    .option('--tls', 'TLS to its servers, whose certificates are verified')
    .option('--tls-ca <reference>', 'authorities that may have signed them (PEM): file:PATH or env:NAME')
    .option('--tls-certificate <reference>', 'certificate of the brokers (PEM), if the servers ask for one')
    .option('--tls-key <reference>', 'its key (PEM)')
    .addOption(
      new Option(
        '--sasl <mechanism>',
        'how brokers prove who they are, for kafka (default plain, with a username)',
      ).choices(['plain', 'scram-sha-256', 'scram-sha-512']),
    )
    .option(
      '--replication-factor <n>',
      'replicas of topics that Hermes makes, for kafka (default the cluster’s)',
      integer,
    )
    .option('--topic-config <name=value>', 'a setting of theirs, such as min.insync.replicas=2; may be repeated', pairs)
    .option('--topic-prefix <name>', 'they are named PREFIX.UID.LANE (default hermes)');
}

/** Adds the flags of a topic's fields; those that are fixed at its creation only when creating. */
export function addTopicFlags(command: Command, kind: 'create' | 'update'): Command {
  command.option('--partitions <n>', 'unit of ownership, order and parallelism (default 4; grows only)', integer);
  if (kind === 'create') {
    command
      .addOption(new Option('--storage-class <class>', 'where its logs live').choices(['embedded', 'mysql', 'kafka']))
      .option('--data-sources <names>', 'where its partitions live, separated by commas (default: the emptiest)', words)
      .option('--kafka-topic <name>', 'an existing Kafka topic to attach to, instead of one of its own')
      .option('--read-only', 'refuse publishes to the attached topic for good')
      .addOption(
        new Option(
          '--state-store <place>',
          'what keeps its groups’ state, for kafka (default the MySQL data source, else metadata in MySQL, else directories)',
        ).choices(['data-source', 'metadata', 'data-directory']),
      )
      .addOption(
        new Option('--required-durability <level>', 'what a publish waits for').choices([
          'durable',
          'replicated',
          'buffered',
        ]),
      );
  }
  command
    .option('--priority-levels <n>', 'lanes of a partition (default 1)', integer)
    .option('--max-body-bytes <size>', 'biggest body (default 1MiB)', byteCount)
    .option('--retention-age <duration>', 'how long settled messages are kept (default 7d)', durationMs)
    .option('--retention-bytes <size>', 'how much a partition keeps (default any)', byteCount)
    .option('--hard-retention-age <duration>', 'how long unsettled messages are kept (default 30d)', durationMs)
    .option('--broker-group <name>', 'brokers that may own it');
  return addShared(command, kind, 'refuse publishes');
}

/** Adds the flags of a group's fields. */
export function addGroupFlags(command: Command, kind: 'create' | 'update'): Command {
  command.addOption(
    new Option('--mode <mode>', 'who gets what (default key-ordered)').choices(['exclusive', 'shared', 'key-ordered']),
  );
  if (kind === 'create') {
    command.option('--start <position>', 'earliest or latest (default latest)', position);
  }
  command
    .option('--ack-deadline <duration>', 'time to acknowledge a delivery (default 30s)', durationMs)
    .option('--filter <expression>', 'messages that this group wants')
    .option('--dead-letter-expired', 'keep expired messages as dead letters');
  return addShared(command, kind, 'deliver nothing');
}

function addShared(command: Command, kind: 'create' | 'update', pausedMeans: string): Command {
  command
    .option('--max-attempts <n>', 'deliveries before a message is a dead letter (default 16)', integer)
    .addOption(
      new Option('--retry <policy>', '1:[s,…] waits so many seconds, 2:[] is none, 3:[n,ms] n times').conflicts([
        ...['maxAttempts', 'retryInitial', 'retryMax', 'retryMultiplier', 'retryJitter'],
      ]),
    )
    .option('--retry-initial <duration>', 'delay of the first retry (default 1s)', durationMs)
    .option('--retry-max <duration>', 'longest delay (default 5m)', durationMs)
    .option('--retry-multiplier <x>', 'growth of the delay (default 2)', decimal)
    .option('--retry-jitter <x>', 'share of the delay that is random (default 0.2)', decimal)
    .option('--paused', pausedMeans);
  if (kind === 'update') {
    command.option('--no-paused', 'resume').option('--etag <etag>', 'refuse if it has changed since');
  }
  return command;
}
