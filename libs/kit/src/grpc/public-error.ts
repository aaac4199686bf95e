import { type ServiceError, Metadata, status } from '@grpc/grpc-js';
import { HermesError, toServiceError } from '@hermes/contracts';
import { InvariantError } from '@hermes/runtime';
import { type Logger } from '../logger.js';

/** Trailers must fit into any client's header limit (8 KiB is the smallest common one). */
const MESSAGE_CHARS_MAX = 1_024;
const DETAILS_BYTES_MAX = 6 * 1_024;

/** A call that ended before its handler did. Thrown inside handlers; nobody is left to read an answer. */
export class CallEndedError extends Error {
  override readonly name = 'CallEndedError';
  readonly why: 'cancelled' | 'deadline';

  constructor(why: 'cancelled' | 'deadline') {
    super(why === 'deadline' ? 'the deadline has passed' : 'the caller has cancelled');
    this.why = why;
  }
}

/** A bare status for what the transport itself refuses; it has no reason in the contract. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly status: status;

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = code;
  }
}

/**
 * Turns anything thrown into what a caller may see. Only a HermesError's text leaves the process; whatever else is
 * logged here, once, and answered as BUG.
 */
export function publicError(error: unknown, method: string, logger: Logger): ServiceError {
  if (error instanceof HermesError) {
    return fitting(error);
  }
  if (error instanceof TransportError) {
    return plain(error.status, error.message);
  }
  if (error instanceof CallEndedError) {
    return plain(error.why === 'deadline' ? status.DEADLINE_EXCEEDED : status.CANCELLED, error.message);
  }
  if (error instanceof InvariantError) {
    logger.fatal({ err: error, method }, 'an invariant does not hold');
  } else {
    logger.error({ err: error, method }, 'a handler failed unexpectedly');
  }
  return toServiceError(new HermesError('BUG', 'internal error; the server has logged it'));
}

function plain(code: status, message: string): ServiceError {
  return Object.assign(new Error(message), { code, details: message, metadata: new Metadata() });
}

/** grpc-js encodes the message as a URI and sends details as a header: both must be short and well-formed. */
function fitting(error: HermesError): ServiceError {
  const service = toServiceError(error);
  const detailBytes = service.metadata.get('grpc-status-details-bin').reduce((sum, value) => sum + value.length, 0);
  if (service.details.length > MESSAGE_CHARS_MAX || detailBytes > DETAILS_BYTES_MAX) {
    const { code, message, status: grpcCode, retryAfterMs } = error;
    const short = `${message.slice(0, MESSAGE_CHARS_MAX - 1)}…`;
    return fitting(
      new HermesError(code, short, { status: grpcCode, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }),
    );
  }
  service.details = wellFormed(service.details);
  return service;
}

/** Replaces lone surrogates, on which `encodeURI` throws. */
function wellFormed(text: string): string {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, '\uFFFD');
}
