import { StoreError, type StoreErrorKind } from '@hermes/log';

/** What the driver reported, without its statement, values and configuration: nothing of these belongs in a log. */
export class MysqlError extends Error {
  override readonly name = 'MysqlError';
  /** The server's error number; undefined if the error is not the server's: a lost connection, a deadline. */
  readonly errno: number | undefined;

  constructor(message: string, errno?: number) {
    super(message);
    this.errno = errno;
  }
}

export const ERRNO = {
  lockWaitTimeout: 1205,
  duplicateEntry: 1062,
  noSuchTable: 1146,
  tableExists: 1050,
  columnExists: 1060,
  keyExists: 1061,
  noRangeForValue: 1526,
  sameRangeName: 1517,
  noSuchRange: 1507,
  rangeNotIncreasing: 1493,
  unknownThread: 1094,
} as const;

/**
 * Errors after which a statement is certain to have changed nothing, with what they mean to us. Everything else, a lost
 * connection above all, leaves the outcome unknown: the statement may still run, or be in the middle of its commit.
 *
 * Sources: [E] https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and
 * https://mariadb.com/kb/en/mariadb-error-code-reference/ (both give these numbers the same meaning);
 * [I] https://dev.mysql.com/doc/refman/8.4/en/innodb-error-handling.html (which errors roll back the statement).
 *
 * Not here on purpose: 1317 (a KILL QUERY may come while the commit waits for a replica), 1053 and 1927 (the server or
 * an operator ends the connection at any point of a statement), 1180 and 1598 (errors of the commit itself).
 */
const DEFINITE: ReadonlyMap<number, StoreErrorKind> = new Map<number, StoreErrorKind>([
  [1021, 'full'], // ER_DISK_FULL [I]: the statement is rolled back
  [1114, 'full'], // ER_RECORD_FILE_FULL [I]: a full tablespace rolls back the statement
  [ERRNO.lockWaitTimeout, 'unavailable'], // ER_LOCK_WAIT_TIMEOUT [I]: the statement is rolled back
  [1213, 'unavailable'], // ER_LOCK_DEADLOCK [I]: the transaction is rolled back
  [3572, 'unavailable'], // ER_LOCK_NOWAIT [E]
  [1290, 'unavailable'], // ER_OPTION_PREVENTS_STATEMENT [E]: read_only; refused before it runs
  [1792, 'unavailable'], // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION [E]
  [1836, 'unavailable'], // ER_READ_ONLY_MODE [E]
  [ERRNO.noRangeForValue, 'unavailable'], // ER_NO_PARTITION_FOR_GIVEN_VALUE [E]
  [1153, 'unavailable'], // ER_NET_PACKET_TOO_LARGE [E]: not read, so not run
  [1461, 'unavailable'], // ER_MAX_PREPARED_STMT_COUNT_REACHED [E]: not prepared, so not run
  [1615, 'unavailable'], // ER_NEED_REPREPARE [E]: not run
  [1044, 'unavailable'], // ER_DBACCESS_DENIED_ERROR [E]: rights are checked before a statement runs
  [1142, 'unavailable'], // ER_TABLEACCESS_DENIED_ERROR [E]
  [1227, 'unavailable'], // ER_SPECIFIC_ACCESS_DENIED_ERROR [E]
  [ERRNO.noSuchTable, 'dataLoss'], // ER_NO_SUCH_TABLE [E]
  [1932, 'dataLoss'], // ER_NO_SUCH_TABLE_IN_ENGINE, MariaDB [E]
  [1812, 'dataLoss'], // ER_TABLESPACE_MISSING [E]
]);

/** After these the connection is of no use: it goes to a server that takes no writes. */
const READ_ONLY: ReadonlySet<number> = new Set([1290, 1792, 1836]);

/** The StoreError of a statement that is certain to have changed nothing; undefined if that is not certain. */
export function definiteFault(error: unknown, what: string): StoreError | undefined {
  if (error instanceof StoreError) {
    return error;
  }
  const errno = errnoOf(error);
  const kind = errno === undefined ? undefined : DEFINITE.get(errno);
  return kind === undefined ? undefined : storeError(kind, error, what);
}

/** The StoreError of anything that failed where it does not matter whether it was done: reads, and what is repeated. */
export function readFault(error: unknown, what: string): StoreError {
  return definiteFault(error, what) ?? storeError('unavailable', error, what);
}

/** The server's error number, if it is one. */
export function errnoOf(error: unknown): number | undefined {
  return error instanceof MysqlError ? error.errno : undefined;
}

/** True if the server said nothing: no connection, or no answer on it. */
export function isSilence(error: unknown): boolean {
  const cause = error instanceof StoreError ? error.cause : error;
  return cause instanceof MysqlError && cause.errno === undefined;
}

export function isReadOnlyFault(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno !== undefined && READ_ONLY.has(errno);
}

function storeError(kind: StoreErrorKind, error: unknown, what: string): StoreError {
  if (!(error instanceof MysqlError)) {
    throw error;
  }
  const details = error.errno === undefined ? {} : { errno: error.errno };
  return new StoreError(kind, `${what}: ${error.message}`, { details, cause: error });
}
