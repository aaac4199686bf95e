import type { Fenced, Full, Refused } from './message-log.js';

/** What became of one `append`; its records are stored next to each other or not at all. */
export type AppendResult =
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
