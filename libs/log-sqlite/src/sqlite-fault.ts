import { StoreError, type StoreErrorKind } from '@hermes/log';

/**
 * What an SQLite error means to us, by its primary code (https://www.sqlite.org/rescode.html). What is not listed is
 * `fatal`: after an I/O error or corruption the file's state is unknown, and a restart reads it anew.
 */
const KINDS: Readonly<Record<string, StoreErrorKind>> = {
  SQLITE_FULL: 'full',
  SQLITE_BUSY: 'directoryHeld',
  SQLITE_CANTOPEN: 'directoryUnusable',
  SQLITE_READONLY: 'directoryUnusable',
  SQLITE_PERM: 'directoryUnusable',
};

/** The StoreError for anything that better-sqlite3 threw while doing `what`. A StoreError stays as it is. */
export function sqliteFault(error: unknown, what: string): StoreError {
  if (error instanceof StoreError) {
    return error;
  }
  const code = sqliteCode(error);
  const kind = (code === undefined ? undefined : KINDS[primary(code)]) ?? 'fatal';
  return new StoreError(kind, `${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}

/** Whether a row with this primary key is there already. */
export function isDuplicateKey(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || code === 'SQLITE_CONSTRAINT_ROWID';
}

/**
 * SQLite's symbolic result code, extended codes included. Not by `instanceof`: the driver makes its errors in whichever
 * context loaded it first, which in a test runner is another one.
 */
function sqliteCode(error: unknown): string | undefined {
  const isCoded = typeof error === 'object' && error !== null && 'code' in error;
  return isCoded && typeof error.code === 'string' ? error.code : undefined;
}

function primary(code: string): string {
  return code.split('_').slice(0, 2).join('_');
}
