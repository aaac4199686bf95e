import { readDuration } from './duration.js';
import { HermesError, invalidField } from './hermes-error.js';
import { LIMITS } from './limits.js';
import { type PullRequest } from './messaging.js';
import { checkGroupName, checkName, checkTopicName } from './names.js';

/** What a pull asks for, within its limits and with its defaults. */
export interface PullTerms {
  readonly consumer: string;
  readonly messages: number;
  readonly waitMs: number;
  /** Undefined: the group's. */
  readonly ackDeadlineMs: number | undefined;
}

/** Throws the INVALID_FIELD that the request deserves, if any. */
export function pullTermsOf(request: PullRequest): PullTerms {
  const { topic, group, consumer, claims, maxMessages, wait, ackDeadline } = request;
  const badName = checkTopicName(topic) ?? checkGroupName(group) ?? checkName(consumer, 'consumer');
  if (badName !== undefined) {
    throw badName;
  }
  const { min, max, default: one } = LIMITS.pullMessages;
  if (maxMessages !== undefined && (maxMessages < min || maxMessages > max)) {
    throw invalidField('max_messages', `${min} to ${max}`);
  }
  if (claims.length > LIMITS.partitions.max) {
    throw invalidField('claims', `at most ${LIMITS.partitions.max}`);
  }
  if (new Set(claims.map(({ partition }) => partition)).size < claims.length) {
    throw invalidField('claims', 'each partition at most once');
  }
  const waitMs = wait === undefined ? LIMITS.pullWaitMs.default : readDuration('wait', wait, LIMITS.pullWaitMs);
  const ackDeadlineMs = ackDeadline && readDuration('ack_deadline', ackDeadline, LIMITS.ackDeadlineMs);
  return {
    consumer,
    messages: maxMessages ?? one,
    waitMs: unlessError(waitMs),
    ackDeadlineMs: unlessError(ackDeadlineMs),
  };
}

function unlessError<T>(value: T | HermesError): T {
  if (value instanceof HermesError) {
    throw value;
  }
  return value;
}
