import { EXIT_CODE, type ExitCode, ExitError } from '@hermes/kit';

const EXIT_CODES = {
  URL_INVALID: EXIT_CODE.CONFIG,
  DIRECTORY_UNUSABLE: EXIT_CODE.CONFIG,
  /** The file of a password or a certificate cannot be read. */
  FILE_UNREADABLE: EXIT_CODE.CONFIG,
  /** The server does not know the user or its password, or does not let it do what it must. */
  ACCESS_DENIED: EXIT_CODE.RIGHTS,
  /** The server's version or one of its settings does not do. */
  SERVER_UNSUPPORTED: EXIT_CODE.CONFIG,
  /** Another process has the database, or leads on it. */
  LOCKED: EXIT_CODE.UNAVAILABLE,
  SCHEMA_TOO_NEW: EXIT_CODE.CONFIG,
  /** The path names no file, or one that is no database. */
  UNREADABLE: EXIT_CODE.CONFIG,
  /** The server, or the database on it, is not to be had. */
  SERVER_UNAVAILABLE: EXIT_CODE.UNAVAILABLE,
} as const satisfies Record<string, ExitCode>;

/** Why the metadata database cannot be opened. */
export type MetadataErrorCode = keyof typeof EXIT_CODES;

/** The metadata database cannot be opened; the message names it and is a fact that an operator can act on. */
export class MetadataError extends ExitError {
  override readonly name = 'MetadataError';
  readonly code: MetadataErrorCode;

  constructor(code: MetadataErrorCode, message: string, cause?: unknown) {
    super(EXIT_CODES[code], message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
