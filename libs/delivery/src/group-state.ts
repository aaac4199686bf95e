/** Offsets from `from` (included) to `to` (excluded). */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/** A group's progress in one lane: below `floor`, and within `settled`, everything is settled. */
export interface LaneCursor {
  readonly lane: number;
  readonly floor: number;
  /** Settled ranges above the floor: ascending, disjoint, not adjacent. */
  readonly settled: readonly OffsetRange[];
  /** How many messages the group has lost to retention in all; absent: as before. */
  readonly skipped?: number;
}

/** A message that waits for another attempt. Its offset is settled in the cursor: this row is what remains of it. */
export interface RetryEntry {
  readonly lane: number;
  readonly offset: number;
  /** Not before this time on the store's clock. */
  readonly dueAtMs: number;
  /** Attempts that were made; 0 for a message that was only parked behind its key. */
  readonly attempts: number;
  /** Consumers that were lost while they held it. */
  readonly strikes: number;
  /** Hash of its key, 0 without one. */
  readonly keyHash: number;
  /** The last reason that a consumer gave. */
  readonly reason: string;
  readonly generation: number;
  /** It keeps its record itself, for it was a dead letter once or the log has lost it, and does not expire. */
  readonly hasRecord?: true;
}

/** A delivery that was in flight when its partition moved in good order. */
export interface HeldDelivery {
  readonly lane: number;
  readonly offset: number;
  readonly attempt: number;
  readonly deliveryNo: number;
  /** Number of the frame in which it was sent; one above the last if it was not sent yet. */
  readonly batch: number;
  /** On the store's clock. */
  readonly deadlineAtMs: number;
}

/** What a consumer held when its partition moved in good order. */
export interface HeldSubscription {
  /** Names its subscription, as its consumer knows it; empty: it was pulled, and nobody comes for it. */
  readonly name: string;
  readonly consumer: string;
  readonly deliveries: readonly HeldDelivery[];
}

/** Why a message was given up. */
export const DEAD_LETTER_CAUSE = { attempts: 1, consumer: 2, expired: 3 } as const;
export type DeadLetterCause = (typeof DEAD_LETTER_CAUSE)[keyof typeof DEAD_LETTER_CAUSE];

/** A message that a group gave up. */
export interface DeadLetterEntry {
  readonly lane: number;
  readonly offset: number;
  readonly generation: number;
  readonly attempts: number;
  readonly cause: DeadLetterCause;
  readonly reason: string;
  readonly keyHash: number;
  /** On the store's clock. */
  readonly diedAtMs: number;
}

/** Where a dead letter stands: after a seek a message may die again. */
export type DeadLetterPlace = Pick<DeadLetterEntry, 'lane' | 'offset' | 'generation'>;

/** All that is stored of one group in one partition. */
export interface GroupSnapshot {
  readonly groupId: number;
  /** EXCLUSIVE: the highest consumer epoch that was accepted; 0 = none. */
  readonly consumerEpoch: number;
  /** EXCLUSIVE: the fencing token of the last holder; 0 = none. */
  readonly token: number;
  /** Grows with each seek: what was in flight before it is fenced. */
  readonly generation: number;
  readonly lanes: readonly LaneCursor[];
  readonly retries: readonly RetryEntry[];
  /** What the last owner handed over. */
  readonly inFlight: readonly HeldSubscription[];
}

/** One change of a group's stored state. A batch of them is written in one fenced transaction, in order. */
export type GroupChange =
  | { readonly kind: 'created'; readonly groupId: number; readonly lanes: readonly LaneCursor[] }
  | { readonly kind: 'deleted'; readonly groupId: number }
  | { readonly kind: 'cursor'; readonly groupId: number; readonly cursor: LaneCursor }
  | { readonly kind: 'holder'; readonly groupId: number; readonly consumerEpoch: number; readonly token: number }
  /** With its record if the store has no log to copy that from: a row that keeps one already keeps that one. */
  | { readonly kind: 'retry'; readonly groupId: number; readonly entry: RetryEntry; readonly record?: Uint8Array }
  | { readonly kind: 'retryDone'; readonly groupId: number; readonly lane: number; readonly offset: number }
  /** Its record is the one given, or is copied from the log or its retry: it comes before that retry is done. */
  | {
      readonly kind: 'deadLetter';
      readonly groupId: number;
      readonly entry: DeadLetterEntry;
      readonly record?: Uint8Array;
    }
  /** A dead letter becomes a retry of no attempt, with its record. Nothing happens if it is not there. */
  | { readonly kind: 'redriven'; readonly groupId: number; readonly place: DeadLetterPlace; readonly dueAtMs: number }
  | { readonly kind: 'deadLetterDone'; readonly groupId: number; readonly place: DeadLetterPlace }
  /** The log is about to lose what lies below `to`: the retries from `from` on keep their records themselves. */
  | {
      readonly kind: 'keepRecords';
      readonly groupId: number;
      readonly lane: number;
      readonly from: number;
      readonly to: number;
    }
  /** What is in flight is handed over to the next owner, in place of what was handed over before. */
  | { readonly kind: 'inFlight'; readonly groupId: number; readonly held: readonly HeldSubscription[] }
  /** Moves the group in these lanes, whose retries at or above the floors go. */
  | {
      readonly kind: 'seek';
      readonly groupId: number;
      readonly generation: number;
      readonly lanes: readonly LaneCursor[];
    };
