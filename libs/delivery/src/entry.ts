import { DEAD_LETTER_CAUSE, type DeadLetterCause } from './group-state.js';
import type { HeldList } from './held-list.js';
import type { Subscription } from './subscription.js';

/**
 * Where an unsettled message stands.
 *
 * ready ──dispatch──▶ inFlight ──settle, expiry──▶ settling ──commit──▶ (gone) or waiting
 *   ▲                    │                                                │
 *   └──── given back ◀───┘                          due ◀─────────────────┘
 */
export const ENTRY_STATE = {
  /** May be delivered, or waits behind its key. */
  ready: 0,
  /** With a consumer. */
  inFlight: 1,
  /** Decided; takes effect when its change is committed. */
  settling: 2,
  /** Not before its time. */
  waiting: 3,
  /** Settled; only stale references are left. */
  gone: 4,
} as const;
export type EntryState = (typeof ENTRY_STATE)[keyof typeof ENTRY_STATE];

/** Delivery number of a message that came back from the dead letters: no receipt of its former life counts. */
export const NEVER_DELIVERED = -1;

/** Lost with so many consumers, a message is delivered alone: if it is what kills them, no other suffers for it. */
const STRIKES_MAX = 2;

/** What a settling entry becomes once its change is committed. */
export const FATE = { done: 1, retry: 2, dead: 3, parked: 4, struck: 5 } as const;
export type Fate = (typeof FATE)[keyof typeof FATE];

/** One unsettled message of a group, as the dispatcher knows it. Mutable, one object for its whole time here. */
export class Entry {
  readonly lane: number;
  readonly offset: number;
  readonly keyHash: number;
  bytes: number;
  state: EntryState = ENTRY_STATE.ready;
  /** Attempts that ended in failure. */
  attempts = 0;
  /** Consumers that were lost while they held it among others. */
  strikes = 0;
  reason = '';
  /** Dead, or about to be: why. */
  cause: DeadLetterCause = DEAD_LETTER_CAUSE.attempts;
  /** Its retry row keeps its record: the log need not. It does not expire. */
  hasRecord = false;
  /** True while a `retry` row holds it; its offset is then settled in the cursor. */
  stored = false;
  /** True if somebody may have seen it before. */
  redelivered: boolean;
  /** Number of the last delivery by this owner; 0 = not delivered by it, or NEVER_DELIVERED. */
  deliveryNo = 0;
  subscription: Subscription | undefined;
  /** In flight: its place among what its subscription holds; see HeldList. */
  heldIn: HeldList | undefined;
  heldBefore: Entry | undefined;
  heldAfter: Entry | undefined;
  /** In flight: the monotonic time at which it counts as failed. */
  deadlineMs = 0;
  /** Waiting: not before this time; on the store's clock, or monotonic if it was only given back. */
  dueAtMs = 0;
  /** Number of its last alarm; earlier ones are void. */
  alarmNo = 0;
  fate: Fate | undefined;
  /** Batch of changes that carries its fate. */
  ticket = 0;
  /** Next message of the same key; see KeyedSequencer. */
  nextOfKey: Entry | undefined;
  lastOfKey: Entry | undefined;
  /** True while it counts in the dispatcher's window. */
  inWindow = false;
  /** EXCLUSIVE: it failed, and nothing behind it may pass. */
  barrier = false;

  constructor(record: {
    readonly lane: number;
    readonly offset: number;
    readonly keyHash: number;
    readonly bytes: number;
    readonly redelivered: boolean;
  }) {
    this.lane = record.lane;
    this.offset = record.offset;
    this.keyHash = record.keyHash;
    this.bytes = record.bytes;
    this.redelivered = record.redelivered;
  }

  /** True if it is delivered alone. */
  get isSuspect(): boolean {
    return this.strikes >= STRIKES_MAX;
  }
}
