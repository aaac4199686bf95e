import { status } from '@grpc/grpc-js';
import { HermesError } from '@hermes/contracts';

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

/** Sorts the failure of one attempt. */
export function failureOf(error: HermesError): Failure {
  switch (error.code) {
    case 'NOT_OWNER':
    case 'NOT_LEADER':
      return 'elsewhere';
    case 'PARTITION_MOVING':
    case 'DRAINING':
    case 'NO_LEADER':
    case 'BACKPRESSURE':
    case 'QUOTA_EXCEEDED':
    case 'STORAGE_FULL':
    case 'STORAGE_UNAVAILABLE':
      return 'later';
    case 'OUTCOME_UNKNOWN':
      return wasNeverSent(error) ? 'later' : 'unknown';
    // What a broken connection or a crashed handler leaves: nobody knows what was done before it.
    case 'BUG':
    case 'RECORD_CORRUPT':
      return 'unknown';
    default:
      return 'final';
  }
}

/** The error of a call whose partition found no owner in time; `last` is what its last attempt met. */
export function partitionMoving(topic: string, partition: number | undefined, last?: HermesError): HermesError {
  const name = partition === undefined ? topic : `${topic}/${partition}`;
  return new HermesError('PARTITION_MOVING', `no owner of ${name} could be reached in time`, { cause: last });
}

/** The error of a call that its caller no longer wants and that never was sent. */
export function cancelledUnsent(what: string): HermesError {
  return new HermesError('DRAINING', `${what} was cancelled before it was sent`, { status: status.CANCELLED });
}
