import type { DeliveryMode } from './dispatcher-types.js';
import { Entry, FATE } from './entry.js';
import type { RetryEntry } from './group-state.js';

/** A retry as storage knows it: an earlier owner may have delivered it, and its size is not known. */
export function storedEntry(retry: RetryEntry, mode: DeliveryMode): Entry {
  const hasFailed = retry.attempts > 0;
  const entry = new Entry({ ...retry, bytes: 0, redelivered: true });
  entry.attempts = retry.attempts;
  entry.strikes = retry.strikes;
  entry.reason = retry.reason;
  entry.hasRecord = retry.hasRecord === true;
  entry.stored = true;
  entry.dueAtMs = retry.dueAtMs;
  entry.fate = hasFailed ? FATE.retry : undefined;
  entry.barrier = hasFailed && mode === 'exclusive';
  return entry;
}
