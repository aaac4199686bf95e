import { Credit } from '../src/index.js';
import { Entry, ENTRY_STATE } from '../src/entry.js';
import { Subscription } from '../src/subscription.js';

/** A ready message for tests of the parts. */
export function entryAt(offset: number, { keyHash = 0, bytes = 10, lane = 0 } = {}): Entry {
  return new Entry({ lane, offset, keyHash, bytes, redelivered: false });
}

/** Makes the entry look delivered. */
export function inFlight(entry: Entry): Entry {
  entry.state = ENTRY_STATE.inFlight;
  return entry;
}

export function gone(entry: Entry): Entry {
  entry.state = ENTRY_STATE.gone;
  return entry;
}

/** An admitted subscription with plenty of credit. */
export function subscriptionOf(id: number, messagesMax = 1_000): Subscription {
  const credit = new Credit(messagesMax, 1_000_000);
  return new Subscription({ id, consumer: `c${id}`, consumerEpoch: 0, ackDeadlineMs: 1_000, credit }, true);
}
