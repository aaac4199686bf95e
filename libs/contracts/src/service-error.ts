import { Metadata, type ServiceError, status as grpcStatus, type StatusObject } from '@grpc/grpc-js';
import { Status } from './google.js';
import { HermesError } from './hermes-error.js';
import { toStatusCode } from './plain-status.js';
import { statusToError, toStatus } from './status.js';

/** The trailer in which gRPC carries google.rpc.Status. */
const DETAILS_KEY = 'grpc-status-details-bin';

/** What a grpc-js server ends a call with: code, message and the status in the trailers. */
export function toServiceError(error: HermesError): ServiceError {
  const metadata = new Metadata();
  const bytes = Status.encode(toStatus(error)).finish();
  metadata.set(DETAILS_KEY, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return Object.assign(new Error(error.message, { cause: error }), {
    code: error.status,
    details: error.message,
    metadata,
  });
}

/** The HermesError of whatever a grpc-js client threw; an error that is no gRPC status is a BUG with that cause. */
export function fromServiceError(thrown: unknown): HermesError {
  if (thrown instanceof HermesError) {
    return thrown;
  }
  if (!isStatus(thrown)) {
    const message = thrown instanceof Error ? thrown.message : 'an error that is no gRPC status';
    return new HermesError('BUG', message, { cause: thrown });
  }
  const plain = { code: thrown.code, message: thrown.details, details: [] };
  return statusToError(detailsOf(thrown) ?? plain, thrown);
}

function isStatus(thrown: unknown): thrown is StatusObject {
  return (
    typeof thrown === 'object' &&
    thrown !== null &&
    'code' in thrown &&
    typeof thrown.code === 'number' &&
    thrown.code in grpcStatus &&
    'details' in thrown &&
    typeof thrown.details === 'string'
  );
}

function detailsOf(thrown: StatusObject): Status | undefined {
  const [bytes] = (thrown.metadata as Metadata | undefined)?.get(DETAILS_KEY) ?? [];
  if (!Buffer.isBuffer(bytes)) {
    return undefined;
  }
  try {
    const status = Status.decode(bytes);
    return toStatusCode(status.code) === thrown.code ? status : undefined;
  } catch {
    return undefined; // Damaged details only explain; the code above still decides.
  }
}
