import {
  invalidField,
  LIMITS,
  type MessageId,
  parseMessageId,
  type RedriveDeadLettersRequest,
} from '@hermes/contracts';
import { readFilter } from '../filter/read-filter.js';
import { type DeadLetterSelection } from './move-dead-letters.js';

/** Reads which dead letters a call means. Throws INVALID_FIELD. */
export function selectionOf(request: Omit<RedriveDeadLettersRequest, 'group'>): DeadLetterSelection {
  const { messageIds, filter, all } = request;
  const given = [messageIds.length > 0, filter !== '', all].filter(Boolean).length;
  if (given !== 1) {
    throw invalidField('message_ids', 'exactly one of message_ids, filter and all');
  }
  if (messageIds.length > LIMITS.deadLetterIds) {
    throw invalidField('message_ids', `at most ${LIMITS.deadLetterIds}`);
  }
  if (messageIds.length === 0) {
    return { kind: 'matching', filter: readFilter('filter', filter) };
  }
  const ids = messageIds.map((text, index): MessageId => {
    const id = parseMessageId(text);
    if (id?.topic !== request.topic) {
      throw invalidField(`message_ids[${index}]`, `a message of topic ${request.topic}`);
    }
    return id;
  });
  return { kind: 'ids', ids: unique(ids) };
}

function unique(ids: readonly MessageId[]): MessageId[] {
  return [...new Map(ids.map((id) => [`${id.partition}/${id.lane}/${id.offset}`, id])).values()];
}
