import SqliteDatabase from 'better-sqlite3';

import { MetadataError } from './metadata-error.js';

/** A lock that ends with its process, however that ends. */
export interface FileLock {
  release(): void;
}

/**
 * Locks `path` by an exclusive transaction on an SQLite file of its own: the lock is the operating system's, so
 * a killed process leaves none behind. Held elsewhere: LOCKED, at once.
 */
export function acquireFileLock(path: string): FileLock {
  const lock = new SqliteDatabase(path, { timeout: 0 });
  try {
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
      throw new MetadataError('LOCKED', `${path} is held by another process: a meta-server runs on this database`);
    }
    throw error;
  }
  return {
    release: () => {
      lock.close();
    },
  };
}
