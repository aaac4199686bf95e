/** What a Hermes process ends with; the numbers are those of sysexits.h where it has one. */
export const EXIT_CODE = {
  OK: 0,
  /** A server refused the request. */
  REFUSED: 1,
  /** Unknown flag, missing or malformed argument. */
  USAGE: 64,
  /** Input data cannot be read as what it should be. */
  INPUT: 65,
  /** A port, a file lock or a server is not to be had. */
  UNAVAILABLE: 69,
  /** A broken promise of our own code. */
  BUG: 70,
  /** Credentials missing, invalid or too weak. */
  RIGHTS: 77,
  /** The configuration cannot work. */
  CONFIG: 78,
  INTERRUPTED: 130,
} as const;

/** One of the exit codes. */
export type ExitCode = (typeof EXIT_CODE)[keyof typeof EXIT_CODE];

/** Ends a process with a plain sentence and no stack trace: what is wrong, why, and what to do. */
export class ExitError extends Error {
  override readonly name: string = 'ExitError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Exit code for anything thrown: that of an ExitError, else BUG. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof ExitError ? error.exitCode : EXIT_CODE.BUG;
}
