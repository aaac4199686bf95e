import { HermesError } from '@hermes/contracts';
import { type DefiniteCommitOutcome, StoreError, type StoreErrorKind, type WholeAppendResult } from '@hermes/log';

/** What a caller waits when the disk is full: long enough for somebody, or retention, to make room. */
const FULL_RETRY_AFTER_MS = 1_000;

/** What a caller waits when storage does not answer. */
const UNAVAILABLE_RETRY_AFTER_MS = 200;

/** The public error of an operating fault of the store; everything else comes back as it is. */
export function storeFailure(error: unknown): unknown {
  return error instanceof StoreError ? PUBLIC_ERRORS[error.kind](error) : error;
}

/** The public error of an append that did not store its records. */
export function appendFailure(result: Exclude<WholeAppendResult, { readonly kind: 'appended' }>): HermesError {
  switch (result.kind) {
    case 'backpressure':
      return new HermesError('BACKPRESSURE', 'the append queue is full', { retryAfterMs: result.retryAfterMs });
    case 'expired':
      return new HermesError('BACKPRESSURE', 'the deadline passed while the messages waited; nothing was stored');
    case 'unknown':
      return new HermesError('OUTCOME_UNKNOWN', 'the store did not tell whether the messages are stored');
    case 'fenced':
      return new HermesError('NOT_OWNER', 'a newer owner has the partition; nothing was stored');
    case 'full':
      return new HermesError('STORAGE_FULL', 'no space left; nothing was stored', {
        retryAfterMs: FULL_RETRY_AFTER_MS,
      });
    case 'refused':
      return PUBLIC_ERRORS[result.error.kind](result.error);
  }
}

/** The public error of group changes that are not stored. */
export function commitFailure(outcome: Exclude<DefiniteCommitOutcome, { readonly kind: 'committed' }>): HermesError {
  switch (outcome.kind) {
    case 'fenced':
      return new HermesError('NOT_OWNER', 'a newer owner has the partition; nothing was stored');
    case 'full':
      return new HermesError('STORAGE_FULL', 'no space left; it is tried again', { retryAfterMs: FULL_RETRY_AFTER_MS });
    case 'refused':
      return PUBLIC_ERRORS[outcome.error.kind](outcome.error);
  }
}

const unavailable = (cause: StoreError): HermesError =>
  new HermesError('STORAGE_UNAVAILABLE', 'the store does not answer', {
    retryAfterMs: UNAVAILABLE_RETRY_AFTER_MS,
    cause,
  });

const PUBLIC_ERRORS: Readonly<Record<StoreErrorKind, (error: StoreError) => HermesError>> = {
  unavailable,
  full: (cause) => new HermesError('STORAGE_FULL', 'no space left', { retryAfterMs: FULL_RETRY_AFTER_MS, cause }),
  tooLarge: (cause) =>
    new HermesError('MESSAGE_TOO_LARGE', 'the storage takes no message of that size', {
      details: textDetails(cause),
      cause,
    }),
  recordCorrupt: (cause) =>
    new HermesError('RECORD_CORRUPT', 'a stored record does not match its checksum', {
      details: textDetails(cause),
      cause,
    }),
  outOfRange: (cause) =>
    new HermesError('OFFSET_OUT_OF_RANGE', 'the offset is no longer kept', { details: textDetails(cause), cause }),
  unsupported: (cause) => new HermesError('UNSUPPORTED_BY_STORAGE', cause.message, { cause }),
  dataLoss: (cause) => new HermesError('RECORD_CORRUPT', 'the partition has lost data and is quarantined', { cause }),
  closed: (cause) => new HermesError('PARTITION_MOVING', 'the partition was closed meanwhile', { cause }),
  fatal: unavailable,
  directoryHeld: unavailable,
  directoryUnusable: unavailable,
  schemaNewer: unavailable,
};

function textDetails(error: StoreError): Record<string, string> {
  return Object.fromEntries(Object.entries(error.details).map(([name, value]) => [name, String(value)]));
}
