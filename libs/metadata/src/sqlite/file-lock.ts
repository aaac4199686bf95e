import SqliteDatabase from 'better-sqlite3';

import { MetadataError } from '../metadata-error.js';
import { sqliteCode } from './sqlite-dialect.js';

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
    if (sqliteCode(error).startsWith('SQLITE_BUSY')) {
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
