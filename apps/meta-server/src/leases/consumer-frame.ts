import {
  checkGroupName,
  checkName,
  checkTopicName,
  durationFromMs,
  type HoldConsumerLeaseRequest_Join,
  type HoldConsumerLeaseResponse,
  invalidField,
  LIMITS,
} from '@hermes/contracts';
import { type ConsumerGrantEffect, type ConsumerJoin, type ConsumerRevokeEffect } from '@hermes/coordination';

import { refuse } from '../admin/field-check.js';
import { assignmentFrame, heldPartitions } from './assignment-frame.js';

/** A consumer that comes, checked; INVALID_FIELD names what is wrong. */
export function consumerJoin(given: HoldConsumerLeaseRequest_Join): ConsumerJoin {
  const { member, topic, group, consumer, zone, maxPartitions } = given;
  checkMember('join.member', member);
  refuse(checkTopicName(topic, 'join.topic'));
  refuse(checkGroupName(group, 'join.group'));
  refuse(checkName(consumer, 'join.consumer'));
  if (zone !== '') {
    refuse(checkName(zone, 'join.zone'));
  }
  if (maxPartitions < 0) {
    throw invalidField('join.max_partitions', 'not negative; 0 = any number');
  }
  const held = heldPartitions('join.held', given.held, LIMITS.partitions.max);
  return { member, topic, group, consumer, zone, maxPartitions, held };
}

/** A consumer's number within its stream. */
export function checkMember(field: string, member: number): void {
  if (member < 1) {
    throw invalidField(field, 'a number from 1, chosen by the client');
  }
}

/** A grant or a revoke on the wire. */
export function consumerFrame(effect: ConsumerGrantEffect | ConsumerRevokeEffect): HoldConsumerLeaseResponse {
  const { member } = effect;
  if (effect.kind === 'revoke') {
    const value = { assignment: assignmentFrame(effect.assignment), grace: durationFromMs(effect.graceMs), member };
    return { kind: { $case: 'revoke', value } };
  }
  const { ttlMs, sequence, changed, assignments } = effect;
  const value = {
    ...{ sequence, changed, member },
    ttl: durationFromMs(ttlMs),
    assignments: assignments.map(assignmentFrame),
  };
  return { kind: { $case: 'grant', value } };
}
