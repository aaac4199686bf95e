import { durationFromMs, durationToMs } from './duration.js';
import { type Any, BadRequest, ErrorInfo, RetryInfo, type Status } from './google.js';
import { type FieldViolation, HermesError } from './hermes-error.js';
import { reasonOfPlainStatus, toStatusCode } from './plain-status.js';
import { isReason, type Reason, ruleOf } from './reason.js';

/** ErrorInfo.domain of every Hermes error. */
export const ERROR_DOMAIN = 'hermes';

/** RetryInfo of an error that says `wait` but names no time: a few round trips. */
export const DEFAULT_RETRY_AFTER_MS = 100;

const TYPE_PREFIX = 'type.googleapis.com/';
const ERROR_INFO = `${TYPE_PREFIX}google.rpc.ErrorInfo`;
const RETRY_INFO = `${TYPE_PREFIX}google.rpc.RetryInfo`;
const BAD_REQUEST = `${TYPE_PREFIX}google.rpc.BadRequest`;

/** google.rpc.Status of an error: always ErrorInfo, RetryInfo where waiting helps, BadRequest for fields. */
export function toStatus(error: HermesError): Status {
  const metadata = new Map(Object.entries(error.details));
  const details = [any(ERROR_INFO, ErrorInfo.encode({ reason: error.code, domain: ERROR_DOMAIN, metadata }).finish())];
  if (error.retryAfterMs !== undefined || ruleOf(error.code).retry === 'wait') {
    const retryDelay = durationFromMs(error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS);
    details.push(any(RETRY_INFO, RetryInfo.encode({ retryDelay }).finish()));
  }
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description, reason: '' }));
    details.push(any(BAD_REQUEST, BadRequest.encode({ fieldViolations }).finish()));
  }
  return { code: error.status, message: error.message, details };
}

/**
 * The error of a google.rpc.Status. Without our ErrorInfo (a proxy's error, or a reason of a later version, which
 * is then `details.reason`) the gRPC code decides. Damaged details are ignored: they only explain.
 */
export function statusToError(status: Status, cause?: unknown): HermesError {
  const code = toStatusCode(status.code);
  const { reason, details } = infoOf(status);
  const retryAfterMs = retryAfterMsOf(status);
  return new HermesError(reason ?? reasonOfPlainStatus(code, status.message), status.message, {
    status: code,
    details,
    violations: violationsOf(status),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function infoOf(status: Status): { reason?: Reason; details: Record<string, string> } {
  const info = read(status, ERROR_INFO, (bytes) => ErrorInfo.decode(bytes));
  if (info?.domain !== ERROR_DOMAIN) {
    return { details: {} };
  }
  const { reason, metadata } = info;
  const details = Object.fromEntries(metadata);
  return isReason(reason) ? { reason, details } : { details: { ...details, reason } };
}

function retryAfterMsOf(status: Status): number | undefined {
  const delay = read(status, RETRY_INFO, (bytes) => RetryInfo.decode(bytes))?.retryDelay;
  const ms = delay === undefined ? undefined : durationToMs(delay);
  return ms === undefined || ms < 0 ? undefined : ms;
}

function violationsOf(status: Status): FieldViolation[] {
  const request = read(status, BAD_REQUEST, (bytes) => BadRequest.decode(bytes));
  return (request?.fieldViolations ?? []).map(({ field, description }) => ({ field, description }));
}

function any(typeUrl: string, value: Uint8Array): Any {
  return { typeUrl, value: Buffer.from(value.buffer, value.byteOffset, value.byteLength) };
}

function read<T>(status: Status, typeUrl: string, decode: (bytes: Uint8Array) => T): T | undefined {
  const detail = status.details.find((one) => one.typeUrl === typeUrl);
  if (detail === undefined) {
    return undefined;
  }
  try {
    return decode(detail.value);
  } catch {
    return undefined;
  }
}
