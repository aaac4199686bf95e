import { status } from '@grpc/grpc-js';

/**
 * What a caller may do about a failure.
 *
 * `never`: the same call fails again. `wait`: the same call may succeed later, see RetryInfo. `route`: at the
 * endpoint that the details name. `rejoin`: after taking part anew (another owner or consumer is newer).
 * `reread`: after reading the resource again. `id`: the outcome is unknown; a Publish may be repeated only with
 * a producer_id or an idempotency_key, any other call freely.
 */
export type RetryRule = 'never' | 'wait' | 'route' | 'rejoin' | 'reread' | 'id';

/** How one reason appears on the wire and what it allows. */
export interface ReasonRule {
  readonly code: status;
  readonly retry: RetryRule;
}

const rule = (code: status, retry: RetryRule = 'never'): ReasonRule => ({ code, retry });

/** Every reason of the contract with its gRPC code and retry rule: the one table for servers and clients. */
export const REASON_RULES = {
  INVALID_FIELD: rule(status.INVALID_ARGUMENT),
  MESSAGE_TOO_LARGE: rule(status.INVALID_ARGUMENT),
  OFFSET_OUT_OF_RANGE: rule(status.OUT_OF_RANGE),
  TOPIC_NOT_FOUND: rule(status.NOT_FOUND),
  GROUP_NOT_FOUND: rule(status.NOT_FOUND),
  MESSAGE_NOT_FOUND: rule(status.NOT_FOUND),
  SCHEDULE_NOT_FOUND: rule(status.NOT_FOUND),
  BROKER_NOT_FOUND: rule(status.NOT_FOUND),
  DATA_SOURCE_NOT_FOUND: rule(status.NOT_FOUND),
  TOPIC_EXISTS: rule(status.ALREADY_EXISTS),
  GROUP_EXISTS: rule(status.ALREADY_EXISTS),
  DATA_SOURCE_EXISTS: rule(status.ALREADY_EXISTS),
  IDEMPOTENCY_CONFLICT: rule(status.ALREADY_EXISTS),
  NOT_OWNER: rule(status.FAILED_PRECONDITION, 'route'),
  NOT_LEADER: rule(status.FAILED_PRECONDITION, 'route'),
  STALE_DELIVERY: rule(status.FAILED_PRECONDITION),
  OUT_OF_SEQUENCE: rule(status.FAILED_PRECONDITION),
  TOPIC_PAUSED: rule(status.FAILED_PRECONDITION),
  RESOURCE_IN_USE: rule(status.FAILED_PRECONDITION),
  IMMUTABLE_FIELD: rule(status.FAILED_PRECONDITION),
  BROKER_NOT_ACTIVE: rule(status.FAILED_PRECONDITION),
  UNSUPPORTED_BY_STORAGE: rule(status.FAILED_PRECONDITION),
  DURABILITY_UNMET: rule(status.FAILED_PRECONDITION),
  FENCED: rule(status.ABORTED, 'rejoin'),
  ETAG_MISMATCH: rule(status.ABORTED, 'reread'),
  BACKPRESSURE: rule(status.RESOURCE_EXHAUSTED, 'wait'),
  QUOTA_EXCEEDED: rule(status.RESOURCE_EXHAUSTED, 'wait'),
  STORAGE_FULL: rule(status.RESOURCE_EXHAUSTED, 'wait'),
  SLOW_CONSUMER: rule(status.RESOURCE_EXHAUSTED, 'wait'),
  PARTITION_MOVING: rule(status.UNAVAILABLE, 'wait'),
  STORAGE_UNAVAILABLE: rule(status.UNAVAILABLE, 'wait'),
  NO_LEADER: rule(status.UNAVAILABLE, 'wait'),
  DRAINING: rule(status.UNAVAILABLE, 'wait'),
  /** Also with DEADLINE_EXCEEDED and CANCELLED; an error carries the one that applies. */
  OUTCOME_UNKNOWN: rule(status.UNAVAILABLE, 'id'),
  CREDENTIALS_INVALID: rule(status.UNAUTHENTICATED),
  NOT_ALLOWED: rule(status.PERMISSION_DENIED),
  RECORD_CORRUPT: rule(status.DATA_LOSS),
  NOT_IMPLEMENTED: rule(status.UNIMPLEMENTED),
  BUG: rule(status.INTERNAL),
} as const satisfies Record<string, ReasonRule>;

/** The closed list of error codes, equal to `ErrorInfo.reason` on the wire. */
export type Reason = keyof typeof REASON_RULES;

const names = Object.keys(REASON_RULES) as Reason[];

/** Reasons as values: `REASON.NOT_OWNER`. */
export const REASON = Object.freeze(Object.fromEntries(names.map((name) => [name, name]))) as {
  readonly [R in Reason]: R;
};

/** True if `text` is a reason of this version of the contract. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(REASON_RULES, text);
}

/** The wire code and retry rule of a reason. */
export function ruleOf(reason: Reason): ReasonRule {
  return REASON_RULES[reason];
}
