import {
  DeadLetterCause,
  invalidField,
  LIMITS,
  type ListDeadLettersRequest,
  ListDeadLettersResponse_DeadLetter,
  type ListDeadLettersResponse,
  Message,
  timestampFromMs,
} from '@hermes/contracts';
import { DEAD_LETTER_CAUSE } from '@hermes/delivery';
import { type StoredDeadLetter } from '@hermes/log';
import { readFilter } from '../filter/read-filter.js';
import { subjectOf } from '../filter/filter-subject.js';
import { type GroupInPartition } from '../partition/group-in-partition.js';
import { type Lane } from '../partition/lane.js';
import { deadLettersFrom, placeAfter } from './dead-letter-walk.js';
import { beginningOf, type DeadLetterToken, formatToken, parseToken } from './dead-letter-token.js';

const CAUSES = {
  [DEAD_LETTER_CAUSE.attempts]: DeadLetterCause.ATTEMPTS,
  [DEAD_LETTER_CAUSE.consumer]: DeadLetterCause.CONSUMER,
  [DEAD_LETTER_CAUSE.expired]: DeadLetterCause.EXPIRED,
};

/** Dead letters that a filter may pass over before a page ends, so that a call does not last for ever. */
const SEEN_MAX = 20_000;

/** What a page is made of. */
export interface DeadLetterPage {
  readonly pageSize: number;
  readonly start: DeadLetterToken | undefined;
}

/** Checks a request's page. Throws INVALID_FIELD. */
export function pageOf({ pageSize, pageToken }: ListDeadLettersRequest): DeadLetterPage {
  const { min, max, default: size } = LIMITS.pageSize;
  if (pageSize !== undefined && (pageSize < min || pageSize > max)) {
    throw invalidField('page_size', `${min} to ${max}`);
  }
  return { pageSize: pageSize ?? size, start: parseToken(pageToken) };
}

/**
 * A page of a group's dead letters in these partitions, which are in order and begin with the page's own. A page ends
 * with its partition, so that a gateway can go from owner to owner. Rejects with StoreError.
 */
export async function listDeadLetters(
  request: ListDeadLettersRequest,
  { pageSize, start }: DeadLetterPage,
  groups: readonly GroupInPartition[],
): Promise<ListDeadLettersResponse> {
  const filter = readFilter('filter', request.filter);
  for (const [nth, { partition, pump }] of groups.entries()) {
    const from = start?.partition === partition.number ? start.from : beginningOf(partition.number).from;
    const following = groups[nth + 1]?.partition.number;
    const after = following === undefined ? '' : formatToken(beginningOf(following));
    const deadLetters: ListDeadLettersResponse_DeadLetter[] = [];
    let [bytes, seen] = [0, 0];
    for await (const letter of deadLettersFrom(partition, pump.settings.id, from)) {
      seen += 1;
      if (filter === undefined || filter(subjectOf(letter.record))) {
        bytes += letter.record.length;
        if (bytes > LIMITS.frameBytes && deadLetters.length > 0) {
          return { deadLetters, nextPageToken: formatToken({ partition: partition.number, from: letter }) };
        }
        deadLetters.push(toDeadLetter(letter, partition.lanes[letter.lane]));
      }
      if (deadLetters.length >= pageSize || seen >= SEEN_MAX) {
        return { deadLetters, nextPageToken: formatToken({ partition: partition.number, from: placeAfter(letter) }) };
      }
    }
    if (deadLetters.length > 0) {
      return { deadLetters, nextPageToken: after };
    }
  }
  return { deadLetters: [], nextPageToken: '' };
}

function toDeadLetter(letter: StoredDeadLetter, lane: Lane | undefined): ListDeadLettersResponse_DeadLetter {
  const { offset, attempts, cause, reason, diedAtMs, record } = letter;
  return {
    messageId: `${lane?.idPrefix.toString('latin1') ?? ''}${offset}`,
    message: Message.decode(record),
    attempts,
    cause: CAUSES[cause],
    reason,
    diedAt: timestampFromMs(diedAtMs),
  };
}
