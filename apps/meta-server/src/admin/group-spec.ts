import { checkGroupName, checkTopicName, Group, GroupMode, invalidField, LIMITS } from '@hermes/contracts';
import { FilterError, parseFilter } from '@hermes/filter';

import { boundedDuration, knownEnum, refuse } from './field-check.js';
import { filledStart } from './position.js';
import { filledRetryPolicy } from './retry-policy.js';
import { maskedUpdate, type UpdateRules } from './update-mask.js';

/** A new group with its defaults filled in; `retry` stays unset: the topic's, as it is at each time. */
export function filledGroup(given: Group | undefined): Group {
  if (given === undefined) {
    throw invalidField('group', 'required');
  }
  refuse(checkTopicName(given.topic, 'group.topic'));
  refuse(checkGroupName(given.name, 'group.name'));
  const filled: Group = {
    ...Group.fromPartial({}),
    topic: given.topic,
    name: given.name,
    mode: knownEnum('group.mode', given.mode, { of: GroupMode, default: GroupMode.KEY_ORDERED }),
    ackDeadline: boundedDuration('group.ack_deadline', given.ackDeadline, LIMITS.ackDeadlineMs),
    filter: given.filter,
    deadLetterExpired: given.deadLetterExpired,
    paused: given.paused,
  };
  if (Buffer.byteLength(given.filter) > LIMITS.filterBytes) {
    throw invalidField('group.filter', `at most ${LIMITS.filterBytes} bytes`);
  }
  filled.start = filledStart('group.start', given.start);
  filled.retry = given.retry === undefined ? undefined : filledRetryPolicy('group.retry', given.retry);
  checkFilter(given.filter);
  return filled;
}

function checkFilter(filter: string): void {
  try {
    if (filter !== '') {
      parseFilter(filter);
    }
  } catch (error) {
    throw error instanceof FilterError ? invalidField('group.filter', error.message) : error;
  }
}

const UPDATE_RULES: UpdateRules<Group> = {
  resource: 'group',
  changeable: {
    mode: 'mode',
    ack_deadline: 'ackDeadline',
    retry: 'retry',
    filter: 'filter',
    dead_letter_expired: 'deadLetterExpired',
    paused: 'paused',
  },
  fixed: { topic: 'topic', name: 'name', start: 'start' },
  outputOnly: ['uid', 'etag', 'created_at', 'state'],
};

/** The group after an update. IMMUTABLE_FIELD for what is fixed. */
export function updatedGroup(current: Group, given: Group, mask: readonly string[]): Group {
  return filledGroup(maskedUpdate(current, given, mask, UPDATE_RULES));
}
