import { type Connection, type RowDataPacket } from 'mysql2/promise';

import { MetadataError } from '../metadata-error.js';

/** Oldest versions that have all that is used here. */
const VERSIONS_MIN = { MySQL: [8, 4], MariaDB: [10, 11] } as const;

/** How long a session waits for anything. A server's wait_timeout ends what its client has forgotten. */
export interface SessionWaits {
  readonly lockWaitS: number;
  readonly idleS: number;
}

const SQL_MODES = ['STRICT_ALL_TABLES', 'NO_ENGINE_SUBSTITUTION'];

/**
 * Makes a new connection's session what the statements are written for, and reads back whether it is: a proxy or an
 * init_connect of the server may have decided otherwise. SERVER_UNSUPPORTED names what is wrong.
 */
export async function prepareSession(connection: Connection, { lockWaitS, idleS }: SessionWaits): Promise<void> {
  await connection.query(
    `set session autocommit = 1, sql_mode = '${SQL_MODES.join(',')}', time_zone = '+00:00', ` +
      `innodb_lock_wait_timeout = ${lockWaitS}, lock_wait_timeout = ${lockWaitS}, wait_timeout = ${idleS}`,
  );
  await connection.query('set session transaction isolation level read committed');
  const found = await readVariables(connection);
  checkVersion(found.get('version') ?? '');
  const wanted: readonly (readonly [string, string])[] = [
    ['autocommit', 'ON'],
    ['time_zone', '+00:00'],
    ['innodb_lock_wait_timeout', String(lockWaitS)],
    ['lock_wait_timeout', String(lockWaitS)],
    ['wait_timeout', String(idleS)],
    ['sql_mode', SQL_MODES.join(',')],
    [found.has('transaction_isolation') ? 'transaction_isolation' : 'tx_isolation', 'READ-COMMITTED'],
  ];
  for (const [name, value] of wanted) {
    if (found.get(name) !== value) {
      unsupported(`its session has ${name} = ${found.get(name) ?? 'nothing'}, and ${value} could not be set`);
    }
  }
  if (found.get('log_bin') === 'ON' && found.get('binlog_format') === 'STATEMENT') {
    unsupported('it has binlog_format = STATEMENT, which cannot replicate READ COMMITTED: set ROW');
  }
}

async function readVariables(connection: Connection): Promise<Map<string, string>> {
  // SHOW passes over names that a server does not have: the two have different names for the isolation level.
  const [rows] = await connection.query<(RowDataPacket & { Variable_name: string; Value: string })[]>(
    `show session variables where variable_name in ('version', 'autocommit', 'time_zone', 'sql_mode',
      'innodb_lock_wait_timeout', 'lock_wait_timeout', 'wait_timeout', 'transaction_isolation', 'tx_isolation',
      'log_bin', 'binlog_format')`,
  );
  return new Map(rows.map(({ Variable_name: name, Value: value }) => [name, value]));
}

function checkVersion(version: string): void {
  const product = version.includes('MariaDB') ? 'MariaDB' : 'MySQL';
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [majorMin, minorMin] = VERSIONS_MIN[product];
  if (major < majorMin || (major === majorMin && minor < minorMin)) {
    unsupported(`it is ${product} ${version}; needed is MySQL 8.4 or newer, or MariaDB 10.11 or newer`);
  }
}

function unsupported(problem: string): never {
  throw new MetadataError('SERVER_UNSUPPORTED', `the metadata database's server does not do: ${problem}`);
}
