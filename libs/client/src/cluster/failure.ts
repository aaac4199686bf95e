import { status } from '@grpc/grpc-js';
import { HermesError, type Reason } from '@hermes/contracts';
import { type Backoff } from '@hermes/runtime';

/**
 * What a failed attempt allows.
 *
 * `elsewhere`: nothing was done, another server is in charge. `later`: nothing was done, the same may succeed soon.
 * `unknown`: it may have been done. `final`: nothing was done and nothing would be.
 */
export type Failure = 'elsewhere' | 'later' | 'unknown' | 'final';

/**
 * What grpc-js says when a request never left: there was no connection, no name, or the server refused the stream
 * unseen. Anything else may have been received.
 */
const UNSENT = /^(No connection established|Name resolution failed|Stream refused by server|Failed to connect)/;
/** A deadline that passed before a connection was there. */
const UNSENT_AT_DEADLINE = /Waiting for LB pick|waiting for metadata filters/;

/** True if the call that failed with `error` certainly never reached a server. */
export function wasNeverSent(error: HermesError): boolean {
  const cause = error.cause as { code?: unknown; details?: unknown } | undefined;
  if (typeof cause?.details !== 'string' || error.code !== 'OUTCOME_UNKNOWN') {
    return false;
  }
  return cause.code === status.DEADLINE_EXCEEDED ? UNSENT_AT_DEADLINE.test(cause.details) : UNSENT.test(cause.details);
}

/** How each code sorts; whatever is missing is final. */
const FAILURES: Partial<Record<Reason, Failure>> = {
  NOT_OWNER: 'elsewhere',
  NOT_LEADER: 'elsewhere',
  PARTITION_MOVING: 'later',
  DRAINING: 'later',
  NO_LEADER: 'later',
  BACKPRESSURE: 'later',
  QUOTA_EXCEEDED: 'later',
  STORAGE_FULL: 'later',
  STORAGE_UNAVAILABLE: 'later',
  SLOW_CONSUMER: 'later',
  OUTCOME_UNKNOWN: 'unknown',
  // What a broken connection or a crashed handler leaves: nobody knows what was done before it.
  BUG: 'unknown',
  RECORD_CORRUPT: 'unknown',
};

/** This process has closed its client: whatever waits or is called now ends, though a server's DRAINING would pass. */
export class ClientClosed extends HermesError {
  constructor() {
    super('DRAINING', 'the client is closed');
  }
}

/** Sorts the failure of one attempt. */
export function failureOf(error: HermesError): Failure {
  if (error instanceof ClientClosed) {
    return 'final';
  }
  return wasNeverSent(error) ? 'later' : (FAILURES[error.code] ?? 'final');
}

/** True if nothing was done, and the same may succeed later or elsewhere. */
export function isUntried(error: HermesError): boolean {
  const failure = failureOf(error);
  return failure === 'later' || failure === 'elsewhere';
}

/** Codes that would come again, whatever they say about what was done. */
const LASTING: ReadonlySet<Reason> = new Set<Reason>(['BUG', 'RECORD_CORRUPT']);

/** True if a call that may be done twice may succeed when it is made again. */
export function mayRepeat(error: HermesError): boolean {
  return !LASTING.has(error.code) && failureOf(error) !== 'final';
}

/** How long to wait after `error`: what the server asked for, if it did, spread by a backoff of our own. */
export function retryDelayMs(backoff: Backoff, error: HermesError | undefined): number {
  return (error?.retryAfterMs ?? 0) + backoff.nextDelayMs();
}

/** The error of a call whose partition found no owner in time; `last` is what its last attempt met. */
export function partitionMoving(topic: string, partition: number | undefined, last?: HermesError): HermesError {
  const name = partition === undefined ? topic : `${topic}/${partition}`;
  return new HermesError('PARTITION_MOVING', `no owner of ${name} could be reached in time`, { cause: last });
}

/** The outcome of a message whose stream ended with `cause` before its result came. */
export function outcomeUnknown(cause: HermesError | undefined): HermesError {
  return cause?.code === 'OUTCOME_UNKNOWN'
    ? cause
    : new HermesError('OUTCOME_UNKNOWN', 'the stream ended before the result came', { cause });
}

/** The outcome of a message that was sent and has no result at its deadline. */
export function deadlineUnknown(): HermesError {
  const message = 'the deadline passed after the message was sent';
  return new HermesError('OUTCOME_UNKNOWN', message, { status: status.DEADLINE_EXCEEDED });
}
