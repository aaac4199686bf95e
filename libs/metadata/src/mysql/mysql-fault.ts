import { HermesError } from '@hermes/contracts';

import { MetadataError } from '../metadata-error.js';

/** No room: ER_DISK_FULL, ER_ERROR_ON_WRITE, ER_GET_ERRNO (28, no space), ER_RECORD_FILE_FULL, EE_WRITE. */
const FULL = new Set([1021, 1026, 1114, 3]);
const ENGINE_ERRNO = 1030;
const NO_SPACE = /\b(errno: 28|error 28|Errcode: 28|No space left)\b/i;

/**
 * What the server says when it cannot now, by numbers that MySQL and MariaDB share (MySQL's errmsg-utf8.txt, MariaDB's
 * errmsg-utf8.txt). Whatever is on neither list is a defect of our statements.
 */
const UNAVAILABLE = new Set([
  ...[1040, 1203, 1226], // too many connections, of all or of this user
  ...[1044, 1045, 1142, 1143, 1698], // rights taken away meanwhile
  ...[1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 4031], // shutting down, or the connection broke
  ...[1205, 1213, 3572], // lock wait, deadlock, NOWAIT
  ...[1317, 1927, 1969, 3024], // killed by an operator, or by a time limit of the server
  ...[1290, 1792, 1836, 3906], // read-only
  ...[1049, 1146], // the database or a table is gone
]);

/** A held lock that was waited for in vain. */
const LOCK_BUSY = new Set([1205, 3572]);

/** Turns an error of the driver into HermesError if it is an operating fault; leaves anything else as it is. */
export function mapMysqlFault(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HermesError) {
    return error;
  }
  const errno = errnoOf(error);
  if (FULL.has(errno) || (errno === ENGINE_ERRNO && NO_SPACE.test(error.message))) {
    return new HermesError('STORAGE_FULL', 'no space is left for the metadata database', { cause: error });
  }
  // The driver marks what ends the connection as fatal, errors of the network among it.
  const fatal = 'fatal' in error && error.fatal === true;
  return fatal || error instanceof MetadataError || UNAVAILABLE.has(errno)
    ? new HermesError('STORAGE_UNAVAILABLE', `the metadata database failed: ${error.message}`, { cause: error })
    : error;
}

/** Whether a statement failed because somebody held a lock for too long. */
export function isLockBusy(error: unknown): boolean {
  return LOCK_BUSY.has(errnoOf(error instanceof HermesError ? error.cause : error));
}

/** The server's number of an error; 0 if it has none. */
export function errnoOf(error: unknown): number {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : 0;
}
