import { fromServiceError, HermesError, type Reason } from '@hermes/contracts';
import { EXIT_CODE, type ExitCode, ExitError } from '@hermes/kit';
import { Interruption } from './terminal.js';

/** What is shown of a failure, and what the process ends with. */
export interface Failure {
  readonly exitCode: ExitCode;
  /** Undefined: nothing needs to be said. */
  readonly message?: string;
}

const RIGHTS: readonly Reason[] = ['CREDENTIALS_INVALID', 'NOT_ALLOWED'];
const UNAVAILABLE: readonly Reason[] = [
  ...(['OUTCOME_UNKNOWN', 'PARTITION_MOVING', 'STORAGE_UNAVAILABLE', 'NO_LEADER', 'DRAINING'] as const),
  ...(['BACKPRESSURE', 'QUOTA_EXCEEDED', 'STORAGE_FULL', 'SLOW_CONSUMER'] as const),
];

const HINTS: Partial<Record<Reason, string>> = {
  TOPIC_NOT_FOUND: 'see `hermes topic list`, or create it with `hermes topic create TOPIC`',
  GROUP_NOT_FOUND: 'see `hermes group list TOPIC`, or create it with `hermes group create TOPIC GROUP`',
  TOPIC_EXISTS: 'change it with `hermes topic update`',
  GROUP_EXISTS: 'change it with `hermes group update`',
  RESOURCE_IN_USE: 'end its subscriptions, or say --force',
  ETAG_MISMATCH: 'somebody changed it meanwhile; look at it and try again',
  TOPIC_PAUSED: 'resume it with `hermes topic update TOPIC --no-paused`',
  DATA_SOURCE_NOT_FOUND: 'see `hermes datasource list`, or create it with `hermes datasource create NAME`',
  DATA_SOURCE_EXISTS: 'it cannot be changed; create another with a name of its own',
  BROKER_NOT_FOUND: 'see `hermes broker list`',
  SCHEDULE_NOT_FOUND: 'it was delivered or withdrawn already, or never was',
  PARTITION_MOVING: 'a partition has no owner right now; try again in a moment',
};

/** Turns anything thrown into one sentence for people and an exit code for scripts. Never a stack trace. */
export function failureOf(error: unknown, server: string): Failure {
  if (error instanceof Interruption) {
    return { exitCode: error.exitCode };
  }
  if (error instanceof ExitError) {
    return { exitCode: error.exitCode, message: error.message };
  }
  if (error instanceof HermesError || isServiceError(error)) {
    return remoteFailure(error, server);
  }
  return { exitCode: EXIT_CODE.BUG, message: `a bug in hermes: ${error instanceof Error ? error.message : 'unknown'}` };
}

/** The text and exit code of what a server answered, or of there being none. */
export function remoteFailure(thrown: HermesError | Error, server: string): Failure {
  const error = fromServiceError(thrown);
  if (/No connection established|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|Name resolution failed/.test(error.message)) {
    return {
      exitCode: EXIT_CODE.UNAVAILABLE,
      message: `no server at ${server} – start one with \`hermes up\`, or name another with --server`,
    };
  }
  if (/deadline/i.test(error.message) && UNAVAILABLE.includes(error.code)) {
    return {
      exitCode: EXIT_CODE.UNAVAILABLE,
      message: `no answer from ${server} in time; what was asked may or may not be done (see --timeout)`,
    };
  }
  const hint = HINTS[error.code];
  const message = `${error.message}${hint === undefined ? '' : ` – ${hint}`} (${error.code})`;
  return { exitCode: exitCodeOfReason(error.code), message };
}

function exitCodeOfReason(reason: Reason): ExitCode {
  if (RIGHTS.includes(reason)) {
    return EXIT_CODE.RIGHTS;
  }
  if (UNAVAILABLE.includes(reason)) {
    return EXIT_CODE.UNAVAILABLE;
  }
  return reason === 'BUG' ? EXIT_CODE.BUG : EXIT_CODE.REFUSED;
}

function isServiceError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
