/** Why the metadata database cannot be opened or used. */
export type MetadataErrorCode = 'URL_INVALID' | 'DIRECTORY_UNUSABLE' | 'LOCKED' | 'SCHEMA_TOO_NEW' | 'FULL' | 'FAILED';

/** Process exit code for each reason (sysexits): 78 = configuration, 69 = unavailable. */
const EXIT_CODES: Readonly<Record<MetadataErrorCode, number>> = {
  URL_INVALID: 78,
  DIRECTORY_UNUSABLE: 78,
  LOCKED: 69,
  SCHEMA_TOO_NEW: 78,
  FULL: 69,
  FAILED: 69,
};

/** An operating fault of the metadata database; the message is a fact that an operator can act on. */
export class MetadataError extends Error {
  override readonly name = 'MetadataError';
  readonly code: MetadataErrorCode;
  /** What the process exits with when this ends its start. */
  readonly exitCode: number;

  constructor(code: MetadataErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.exitCode = EXIT_CODES[code];
  }
}
