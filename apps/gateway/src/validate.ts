import {
  type Claim,
  checkGroupName,
  checkName,
  checkTopicName,
  type Duration,
  type HermesError,
  invalidField,
  LIMITS,
  type PullRequest,
  pullTermsOf,
  type RawAcknowledgeRequest,
  readDuration,
  type SubscribeRequest,
} from '@hermes/contracts';

/** Refuses what breaks the contract's limits, before any work. */
export function validateSubscribe(request: SubscribeRequest): void {
  const { maxInFlightMessages, maxInFlightBytes, ackDeadline } = request;
  validateConsumer(request);
  refuseClaims(request);
  within('max_in_flight_messages', maxInFlightMessages, LIMITS.inFlightMessages);
  within('max_in_flight_bytes', maxInFlightBytes, LIMITS.inFlightBytes);
  ackDeadlineMsOf(ackDeadline);
}

/** Refuses what breaks the contract's limits, before any work. */
export function validatePull(request: PullRequest): void {
  pullTermsOf(request);
  refuseClaims(request);
}

/** The deadline of a subscription in milliseconds; unset: the group's. */
export function ackDeadlineMsOf(ackDeadline: Duration | undefined): number | undefined {
  const ms = ackDeadline && readDuration('ack_deadline', ackDeadline, LIMITS.ackDeadlineMs);
  if (typeof ms === 'object') {
    throw ms;
  }
  return ms;
}

/** Refuses what breaks the contract's limits; entries fail alone, at their owners. */
export function validateAcknowledge(request: RawAcknowledgeRequest): void {
  validateConsumer(request);
  const count = request.entries.length;
  if (count < 1 || count > LIMITS.ackEntries) {
    throw invalidField('entries', `1 to ${LIMITS.ackEntries} entries`);
  }
}

/** Refuses malformed names of topic and group. */
export function validateGroup(topic: string, group: string): void {
  refuse(checkTopicName(topic));
  refuse(checkGroupName(group));
}

/** Refuses a malformed name of a topic. */
export function validateTopic(topic: string): void {
  refuse(checkTopicName(topic));
}

function validateConsumer({ topic, group, consumer }: { topic: string; group: string; consumer: string }): void {
  validateGroup(topic, group);
  refuse(checkName(consumer, 'consumer'));
}

function refuseClaims({ claims }: { readonly claims: readonly Claim[] }): void {
  if (claims.length > 0) {
    throw invalidField('claims', 'none at a gateway, which holds the leases itself');
  }
}

function within(
  field: string,
  value: number | undefined,
  bounds: { readonly min: number; readonly max: number },
): void {
  if (value !== undefined && (value < bounds.min || value > bounds.max)) {
    throw invalidField(field, `${bounds.min} to ${bounds.max}`);
  }
}

function refuse(error: HermesError | undefined): void {
  if (error !== undefined) {
    throw error;
  }
}
