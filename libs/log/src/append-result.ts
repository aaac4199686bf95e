import type { Fenced, Full, Refused } from './message-log.js';

/** What became of one `append`. */
export type AppendResult =
  | WholeAppendResult
  /** The store takes less at once than it did: its records went in parts, in their order, each stored or not. */
  | { readonly kind: 'divided'; readonly parts: readonly AppendPart[] };

/** Some of a call's records, which follow those of the part before. */
export interface AppendPart {
  readonly records: number;
  readonly result: WholeAppendResult;
}

/** What became of records that are stored next to each other or not at all. */
export type WholeAppendResult =
  | { readonly kind: 'appended'; readonly firstOffset: number; readonly appendedAtMs: number }
  /** The queue is full; nothing was stored. `room` resolves when it is worth trying again. */
  | { readonly kind: 'backpressure'; readonly retryAfterMs: number }
  /** The deadline passed, or an earlier append of its chain failed, before storage work began; nothing was stored. */
  | { readonly kind: 'expired' }
  /** The lane was given up while its store did not know the outcome. */
  | { readonly kind: 'unknown' }
  | Fenced
  | Full
  | Refused;
