import { type status } from '@grpc/grpc-js';
import { type Reason, ruleOf } from './reason.js';

/** One violated limit of one request field, as BadRequest carries it. */
export interface FieldViolation {
  /** Path of the field in the request's own names: `messages[3].ref_key`. */
  readonly field: string;
  /** The limit, as a fact: `at most 128 bytes`. */
  readonly description: string;
}

/** What an error may carry besides its code and message. */
export interface HermesErrorOptions {
  readonly details?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly retryAfterMs?: number;
  /** gRPC code, where it differs from the table's (OUTCOME_UNKNOWN has three). */
  readonly status?: status;
  readonly cause?: unknown;
}

/** The one public error: each failure that a caller can see is one of these, on both sides of the wire. */
export class HermesError extends Error {
  override readonly name = 'HermesError';
  readonly code: Reason;
  /** gRPC code on the wire. */
  readonly status: status;
  /** True if the same call may succeed: later, elsewhere or (unknown outcome) repeated with an id. */
  readonly retryable: boolean;
  /** How long to wait first, if the server said so. */
  readonly retryAfterMs?: number;
  /** Facts by the names that the contract documents for the code, such as `endpoint` or `limit`. */
  readonly details: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];

  /** `message` states facts with identifiers; never payloads, never secrets. */
  constructor(code: Reason, message: string, options: HermesErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    const rule = ruleOf(code);
    this.code = code;
    this.status = options.status ?? rule.code;
    this.retryable = rule.retry === 'wait' || rule.retry === 'route' || rule.retry === 'id';
    if (options.retryAfterMs !== undefined) {
      this.retryAfterMs = options.retryAfterMs;
    }
    this.details = options.details ?? {};
    this.violations = options.violations ?? [];
  }
}

/** INVALID_FIELD for one field: `invalidField('entries', '1 to 10,000 entries')`. */
export function invalidField(field: string, description: string): HermesError {
  return new HermesError('INVALID_FIELD', `${field}: ${description}`, { violations: [{ field, description }] });
}

/** NOT_IMPLEMENTED for a call or field that a later release brings. */
export function notImplemented(name: string): HermesError {
  return new HermesError('NOT_IMPLEMENTED', `${name} is not implemented in this release`, { details: { name } });
}

/** How an error names one entry of a request: `messages[3].key`, `entries[0].receipt`. */
const ENTRY = /^(messages|entries)\[\d+\]/;

/** The same error for an entry that has `index` in the request of whoever asked: batches are divided on their way. */
export function atIndex(error: HermesError, index: number): HermesError {
  if (!ENTRY.test(error.message)) {
    return error;
  }
  const { code, message, status: grpcStatus, retryAfterMs, details, violations, cause } = error;
  const named = (text: string): string => text.replace(ENTRY, `$1[${index}]`);
  return new HermesError(code, named(message), {
    details: Object.fromEntries(Object.entries(details).map(([name, value]) => [name, named(value)])),
    violations: violations.map(({ field, description }) => ({ field: named(field), description })),
    status: grpcStatus,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined ? {} : { cause }),
  });
}
