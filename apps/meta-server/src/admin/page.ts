import { createHash } from 'node:crypto';

import { invalidField, LIMITS } from '@hermes/contracts';

import { boundedInt } from './field-check.js';

/** Bytes of the checksum in a token. */
const CHECK_BYTES = 9;

/** What every List request has. */
export interface PageParameters {
  readonly pageSize?: number | undefined;
  readonly pageToken: string;
}

/** Where a page starts and how long it is. */
export interface Page {
  /** The last name of the page before; empty = from the first. */
  readonly after: string;
  readonly limit: number;
}

/**
 * Reads page_size and page_token. A token belongs to one list (`scope`). It only says where to go on and grants
 * nothing, so its checksum guards against mistakes, and everything that we did not make is INVALID_FIELD.
 */
export function readPage(scope: string, { pageSize, pageToken }: PageParameters): Page {
  const limit = boundedInt('page_size', pageSize, LIMITS.pageSize);
  if (pageToken === '') {
    return { after: '', limit };
  }
  const bytes = Buffer.from(pageToken, 'base64url');
  const after = bytes.subarray(CHECK_BYTES).toString('utf8');
  if (after === '' || pageToken !== writeToken(scope, after)) {
    throw invalidField('page_token', 'the next_page_token of the same list');
  }
  return { after, limit };
}

/** Cuts what was read with one entry more than the limit, and makes the token of the next page. */
export function cutPage<T>(
  scope: string,
  entries: readonly T[],
  { limit }: Page,
  nameOf: (entry: T) => string,
): { entries: T[]; nextPageToken: string } {
  const kept = entries.slice(0, limit);
  const last = kept.at(-1);
  const more = entries.length > limit && last !== undefined;
  return { entries: kept, nextPageToken: more ? writeToken(scope, nameOf(last)) : '' };
}

function writeToken(scope: string, after: string): string {
  const check = createHash('sha256').update(`${scope}\0${after}`).digest().subarray(0, CHECK_BYTES);
  return Buffer.concat([check, Buffer.from(after)]).toString('base64url');
}
