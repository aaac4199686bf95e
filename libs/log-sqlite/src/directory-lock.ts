import { StoreError } from '@hermes/log';
import Database from 'better-sqlite3';

import { sqliteFault } from './sqlite-fault.js';

/** A lock that ends with its process, however that ends. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Locks `path` by an exclusive transaction on an SQLite file of its own: the lock is the operating system's, so a
 * killed process leaves none behind. Held elsewhere: `directoryHeld`, at once.
 */
export function lockDirectory(path: string): DirectoryLock {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 0 });
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    const fault = sqliteFault(error, `lock ${path}`);
    if (fault.kind === 'directoryHeld') {
      throw new StoreError('directoryHeld', `${path} is held by another process: one broker per data directory`, {
        details: { path },
        cause: error,
      });
    }
    throw fault;
  }
  return {
    release: () => {
      database.close();
    },
  };
}
