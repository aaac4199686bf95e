import { type Assignment, checkTopicName, invalidField, LIMITS } from '@hermes/contracts';
import { type HeldPartition, type LeaseAssignment } from '@hermes/coordination';

import { refuse } from '../admin/field-check.js';

/** An assignment on the wire. */
export function assignmentFrame({ topic, partition, epoch, ...facts }: LeaseAssignment): Assignment {
  const { endpoint, revision, created, dataSource } = facts;
  return { topic, partition, epoch, endpoint, revision, created, dataSource };
}

/** What a peer says that it holds; INVALID_FIELD if that cannot be. Whether it is so the leases judge. */
export function heldPartition(field: string, given: Assignment | undefined): HeldPartition {
  if (given === undefined) {
    throw invalidField(field, 'required');
  }
  const { topic, partition, epoch } = given;
  refuse(checkTopicName(topic, `${field}.topic`));
  if (partition < 0 || partition >= LIMITS.partitions.max) {
    throw invalidField(`${field}.partition`, `0 to ${LIMITS.partitions.max - 1}`);
  }
  return { topic, partition, epoch };
}

/** The same for a list, with its bound. */
export function heldPartitions(field: string, given: readonly Assignment[], countMax: number): HeldPartition[] {
  if (given.length > countMax) {
    throw invalidField(field, `at most ${countMax} assignments`);
  }
  return given.map((assignment, index) => heldPartition(`${field}[${index}]`, assignment));
}
