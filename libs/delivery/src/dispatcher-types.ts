import type { Random } from '@hermes/runtime';

import type { GroupChange, GroupSnapshot, HeldDelivery } from './group-state.js';
import type { HandedOver } from './hand-over.js';
import type { InFlightShare } from './in-flight-pool.js';
import type { RetryPolicy } from './retry-policy.js';

/** The order that a group is promised. */
export type DeliveryMode = 'exclusive' | 'shared' | 'keyOrdered';

/** What may change while the group is in use. */
export interface GroupSettings {
  readonly retry: RetryPolicy;
  /** Subscriptions stay, and get nothing. */
  readonly paused: boolean;
  /** What expires becomes a dead letter; else it is settled. */
  readonly deadLetterExpired: boolean;
}

/** Bounds of one dispatcher; each has a default that is right for production. */
export interface DispatcherLimits {
  /** Messages that are known and neither in flight nor stored as retries. */
  readonly windowRecordsMax: number;
  readonly windowBytesMax: number;
  /** Settled ranges per lane; beyond, what waits behind a key is parked in storage. */
  readonly rangesMax: number;
  /** Stored retries; beyond, no new messages are taken. */
  readonly retriesMax: number;
}

export const DISPATCHER_LIMITS: DispatcherLimits = {
  windowRecordsMax: 4_096,
  windowBytesMax: 8 * 1024 * 1024,
  rangesMax: 4_096,
  retriesMax: 100_000,
};

export interface GroupDispatcherOptions {
  readonly mode: DeliveryMode;
  readonly settings: GroupSettings;
  /** What storage holds of the group; its lanes are 0, 1, … without a gap. */
  readonly snapshot: GroupSnapshot;
  /** Per lane: below this offset an earlier owner may have delivered. */
  readonly redeliveredBelow: readonly number[];
  /** Numbers deliveries; never repeats one for this partition while this process owns it. */
  readonly nextDeliveryNo: () => number;
  readonly random: Random;
  /** Its own share of what all groups may have in flight; its wake leads to a call of `dispatch`, or of `close`. */
  readonly inFlight: InFlightShare;
  /** What the snapshot says to be in flight, under ids of this process; numbers of deliveries go on above it. */
  readonly handedOver?: { readonly subscriptions: readonly HandedOver[]; readonly now: Now };
  readonly limits?: Partial<DispatcherLimits>;
}

/** What a subscription holds, to be handed over. */
export interface Holding {
  readonly subscriptionId: number;
  readonly consumer: string;
  /** It was pulled, and nobody comes for it. */
  readonly retired: boolean;
  /** By delivery number. */
  readonly deliveries: readonly Omit<HeldDelivery, 'batch'>[];
}

/** Both clocks: deadlines are monotonic, due times are the store's. */
export interface Now {
  readonly monotonicMs: number;
  readonly storeMs: number;
}

/** Records of one lane in offset order, by column. Offsets between that are missing count as settled. */
export interface LaneFeed {
  readonly from: number;
  readonly nextOffset: number;
  readonly offsets: ArrayLike<number>;
  /** Hash of each record's key; 0 without a key. */
  readonly keyHashes: ArrayLike<number>;
  /** End of each record in the block's bytes. */
  readonly ends: ArrayLike<number>;
}

/** What the dispatcher would take next of one lane. */
export interface Wanted {
  readonly lane: number;
  readonly from: number;
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/** A message to be pushed. */
export interface Dispatch {
  readonly lane: number;
  readonly offset: number;
  readonly attempt: number;
  readonly deliveryNo: number;
  readonly redelivered: boolean;
  /** False for a message whose retry keeps its record. */
  readonly mayExpire: boolean;
}

/** Messages to be pushed to one subscription, in order. */
export interface DispatchOrder {
  readonly subscriptionId: number;
  readonly dispatches: readonly Dispatch[];
}

export type SubscribeOutcome =
  | {
      readonly kind: 'accepted';
      /** Older subscriptions that a newer holder ends (EXCLUSIVE). */
      readonly fenced: readonly number[];
    }
  | { readonly kind: 'fenced'; readonly consumerEpoch: number };

/** Changes for one fenced transaction. */
export interface SealedChanges {
  readonly ticket: number;
  readonly changes: readonly GroupChange[];
  /** How many failed attempts in it another one follows. Of all stored retries others were struck, or only parked. */
  readonly failed: number;
}

/** How a group stands in one lane. */
export interface LaneCounts {
  readonly lane: number;
  readonly floor: number;
  readonly unsettled: number;
  readonly inFlight: number;
  readonly retrying: number;
  /** Lost to retention, since the group was made. */
  readonly skipped: number;
}
