import { status } from '@grpc/grpc-js';
import { type Reason } from './reason.js';

/** A number as a gRPC code; UNKNOWN if gRPC has no such code. */
export function toStatusCode(code: number): status {
  return isStatusCode(code) ? code : status.UNKNOWN;
}

function isStatusCode(code: number): code is status {
  return Object.hasOwn(status, code);
}

/** gRPC's own words for a message above a size limit; it sends no details. */
const TOO_LARGE = /larger than/i;

/**
 * The reason that stands for a gRPC status without our details: a transport, a proxy or another server spoke.
 *
 * A lost connection, a deadline or a cancel tell nothing about what the server did: OUTCOME_UNKNOWN.
 */
export function reasonOfPlainStatus(code: status, message: string): Reason {
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return 'OUTCOME_UNKNOWN';
    case status.UNAUTHENTICATED:
      return 'CREDENTIALS_INVALID';
    case status.PERMISSION_DENIED:
      return 'NOT_ALLOWED';
    case status.UNIMPLEMENTED:
      return 'NOT_IMPLEMENTED';
    case status.INVALID_ARGUMENT:
      return 'INVALID_FIELD';
    case status.RESOURCE_EXHAUSTED:
      return TOO_LARGE.test(message) ? 'MESSAGE_TOO_LARGE' : 'BACKPRESSURE';
    case status.DATA_LOSS:
      return 'RECORD_CORRUPT';
    default:
      return 'BUG';
  }
}
