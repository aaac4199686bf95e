import {
  DeadLetterCause,
  invalidField,
  LIMITS,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  type ListDeadLettersResponse_DeadLetter,
  Message,
  timestampFromMs,
} from '@hermes/contracts';
import { DEAD_LETTER_CAUSE } from '@hermes/delivery';
import { type Filter } from '@hermes/filter';
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
  for (const [nth, group] of groups.entries()) {
    const { number } = group.partition;
    const from = start?.partition === number ? start : beginningOf(number);
    const { deadLetters, next } = await pageIn(group, from, { pageSize, filter });
    const following = groups[nth + 1]?.partition.number;
    const after = next ?? (following === undefined ? undefined : beginningOf(following));
    if (deadLetters.length > 0 || next !== undefined) {
      return { deadLetters, nextPageToken: after === undefined ? '' : formatToken(after) };
    }
  }
  return { deadLetters: [], nextPageToken: '' };
}

/** A page of one partition; without `next` it is the partition's last. */
async function pageIn(
  { partition, pump }: GroupInPartition,
  { from }: DeadLetterToken,
  { pageSize, filter }: { readonly pageSize: number; readonly filter: Filter | undefined },
): Promise<{ readonly deadLetters: ListDeadLettersResponse_DeadLetter[]; readonly next?: DeadLetterToken }> {
  const deadLetters: ListDeadLettersResponse_DeadLetter[] = [];
  const { number } = partition;
  let [bytes, seen] = [0, 0];
  for await (const letter of deadLettersFrom(partition, pump.settings.id, from)) {
    seen += 1;
    const isWanted = filter === undefined || filter(subjectOf(letter.record));
    bytes += isWanted ? letter.record.length : 0;
    if (bytes > LIMITS.frameBytes && deadLetters.length > 0) {
      return { deadLetters, next: { partition: number, from: letter } };
    }
    if (isWanted) {
      deadLetters.push(toDeadLetter(letter, partition.lanes[letter.lane]));
    }
    if (deadLetters.length >= pageSize || seen >= SEEN_MAX) {
      return { deadLetters, next: { partition: number, from: placeAfter(letter) } };
    }
  }
  return { deadLetters };
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
