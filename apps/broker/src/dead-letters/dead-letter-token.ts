import { invalidField } from '@hermes/contracts';
import { type DeadLetterPlace } from '@hermes/delivery';

/** Where a page of dead letters begins. */
export interface DeadLetterToken {
  readonly partition: number;
  readonly from: DeadLetterPlace;
}

const TOKEN = /^(\d{1,4})\.(\d{1,2})\.(\d{1,16})\.(\d{1,16})$/;
const BEGINNING: DeadLetterPlace = { lane: 0, offset: 0, generation: 0 };

/** The first page of a partition. */
export function beginningOf(partition: number): DeadLetterToken {
  return { partition, from: BEGINNING };
}

export function formatToken({ partition, from: { lane, offset, generation } }: DeadLetterToken): string {
  return [partition, lane, offset, generation].join('.');
}

/** Undefined for the empty token; throws INVALID_FIELD for what is none. */
export function parseToken(token: string): DeadLetterToken | undefined {
  if (token === '') {
    return undefined;
  }
  const [partition, lane, offset, generation] = (TOKEN.exec(token) ?? []).slice(1).map(Number);
  if (partition === undefined || lane === undefined || offset === undefined || generation === undefined) {
    throw invalidField('page_token', 'the next_page_token of a page before');
  }
  return { partition, from: { lane, offset, generation } };
}
