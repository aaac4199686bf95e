import type { StorageCapabilities } from '@hermes/log';

/** What a server was found to be and to do, read on each new connection and now and then. */
export interface ServerFacts {
  /** As the server writes it, such as `10.11.6-MariaDB` or `9.1.0`. */
  readonly version: string;
  /** Another server, or another data directory, has another identity. */
  readonly identity: string;
  readonly readOnly: boolean;
  /** What a committed transaction has reached. */
  readonly durability: StorageCapabilities['durability'];
  /** Largest packet that the server takes. */
  readonly packetBytesMax: number;
  /** Prepared statements of all its connections together. */
  readonly statementsMax: number;
  /** Why the server cannot be used; undefined if it can. */
  readonly problem: string | undefined;
}

export type ServerVariables = ReadonlyMap<string, string>;

/** What is asked for; a server that lacks one does not answer it. */
export const FACT_VARIABLES = [
  ...['version', 'server_uuid', 'server_uid', 'server_id', 'hostname', 'port', 'datadir'],
  ...['read_only', 'super_read_only', 'innodb_read_only', 'max_allowed_packet', 'max_prepared_stmt_count'],
  ...['innodb_flush_log_at_trx_commit', 'innodb_flush_method', 'log_bin', 'sync_binlog', 'binlog_format'],
  ...['rpl_semi_sync_source_enabled', 'rpl_semi_sync_source_wait_point', 'rpl_semi_sync_source_timeout'],
  ...['rpl_semi_sync_master_enabled', 'rpl_semi_sync_master_wait_point', 'rpl_semi_sync_master_timeout'],
] as const;

/** The status that says whether a replica acknowledges commits at this moment. */
export const SEMI_SYNC_STATUS = ['Rpl_semi_sync_source_status', 'Rpl_semi_sync_master_status'] as const;

/** Below this the server falls back to asynchronous replication within an outage, so nothing is promised. */
const SEMI_SYNC_TIMEOUT_MS_MIN = 3_600_000;

const VERSIONS_MIN = { mysql: [8, 4], mariadb: [10, 11] } as const;

/** The facts in a server's variables; `semiSyncActive` is its status of that name. */
export function readFacts(variables: ServerVariables, semiSyncActive: boolean): ServerFacts {
  const text = (name: string): string => variables.get(name) ?? '';
  return {
    version: text('version'),
    identity: ['server_uuid', 'server_uid', 'server_id', 'hostname', 'port', 'datadir'].map(text).join('|'),
    readOnly: ['read_only', 'super_read_only', 'innodb_read_only'].some((name) => isOn(variables, name)),
    durability: durabilityOf(variables, semiSyncActive),
    packetBytesMax: Number(text('max_allowed_packet')),
    statementsMax: Number(text('max_prepared_stmt_count')),
    problem: versionProblem(text('version')) ?? binlogProblem(variables),
  };
}

/** MariaDB says ON, NO_LOCK or NO_LOCK_NO_ADMIN; older ones say 1. */
function isOn(variables: ServerVariables, name: string): boolean {
  const value = variables.get(name) ?? 'OFF';
  return !['OFF', '0', 'NO'].includes(value.toUpperCase());
}

/**
 * A commit is on disk if the redo log is flushed with it, and the binary log too where there is one: recovery rolls
 * back what it does not find there.
 */
function durabilityOf(variables: ServerVariables, semiSyncActive: boolean): ServerFacts['durability'] {
  const flushes =
    variables.get('innodb_flush_log_at_trx_commit') === '1' &&
    !['nosync', 'littlesync'].includes(variables.get('innodb_flush_method')?.toLowerCase() ?? '');
  if (!flushes || (isOn(variables, 'log_bin') && variables.get('sync_binlog') !== '1')) {
    return 'buffered';
  }
  return semiSyncActive && ['source', 'master'].some((role) => waitsForReplica(variables, role))
    ? 'replicated'
    : 'durable';
}

function waitsForReplica(variables: ServerVariables, role: string): boolean {
  const setting = (name: string): string | undefined => variables.get(`rpl_semi_sync_${role}_${name}`);
  return (
    isOn(variables, `rpl_semi_sync_${role}_enabled`) &&
    setting('wait_point')?.toUpperCase() === 'AFTER_SYNC' &&
    Number(setting('timeout')) >= SEMI_SYNC_TIMEOUT_MS_MIN
  );
}

function versionProblem(version: string): string | undefined {
  const product = version.includes('MariaDB') ? 'mariadb' : 'mysql';
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [majorMin, minorMin] = VERSIONS_MIN[product];
  return major > majorMin || (major === majorMin && minor >= minorMin)
    ? undefined
    : `version ${version} is older than ${product} ${majorMin}.${minorMin}`;
}

function binlogProblem(variables: ServerVariables): string | undefined {
  return isOn(variables, 'log_bin') && variables.get('binlog_format') === 'STATEMENT'
    ? 'binlog_format is STATEMENT, which READ COMMITTED does not allow'
    : undefined;
}
