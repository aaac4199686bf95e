import type { DeadLetterEntry, DeadLetterPlace, GroupChange, GroupSnapshot } from '@hermes/delivery';

import type { Fenced, Full, InDoubt, Refused } from './message-log.js';

/** What is known for certain of a commit of group changes. */
export type DefiniteCommitOutcome = { readonly kind: 'committed' } | Fenced | Full | Refused;

export type CommitOutcome = DefiniteCommitOutcome | InDoubt<DefiniteCommitOutcome>;

/** How many rows a group has in a partition. */
export interface GroupCounts {
  readonly retries: number;
  /** By lane; lanes behind the last that has any are left out. */
  readonly deadLetters: readonly number[];
}

/** A dead letter with its message. */
export interface StoredDeadLetter extends DeadLetterEntry {
  readonly record: Uint8Array;
}

/** Which dead letters of a lane to read, in the order of their places. */
export interface DeadLetterRange {
  /** The first one, or the next that is there. */
  readonly from: DeadLetterPlace;
  readonly maxRecords: number;
  /** Of their records; the first is given however large it is. */
  readonly maxBytes: number;
}

/** Which dead letters of a group to find, whatever their lanes. */
export interface DeadLetterAges {
  readonly first: 'oldest' | 'newest';
  readonly diedBeforeMs: number;
  readonly max: number;
}

/** The durable progress of all groups in one partition, fenced by one row (`settle_seq`). */
export interface GroupState {
  /** Ids of the groups that have state here. */
  groupIds(): Promise<readonly number[]>;

  /**
   * All that is stored of a group; undefined if it was never created here. Where there is state alone, a retry has a
   * record from the start, and `hasRecord` if it was redriven or `keepRecords` came over it: as in every other store.
   */
  load(groupId: number): Promise<GroupSnapshot | undefined>;

  /**
   * Writes all changes in one transaction, durably, or none. One commit of a partition at a time; a second one
   * waits. A dead letter's record is copied in the same transaction, or comes with it; if there is none, all is refused
   * as `dataLoss`.
   */
  commit(changes: readonly GroupChange[]): Promise<CommitOutcome>;

  counts(groupId: number): Promise<GroupCounts>;

  /** The record that a retry's row keeps, for the log may not have it any more; undefined if it keeps none. */
  retryRecord(groupId: number, lane: number, offset: number): Promise<Uint8Array | undefined>;

  /** Dead letters of one lane; none: there are no more in it. */
  deadLetters(groupId: number, range: DeadLetterRange): Promise<readonly StoredDeadLetter[]>;

  /** Places of dead letters of all lanes, by when they died. */
  deadLettersByAge(groupId: number, range: DeadLetterAges): Promise<readonly DeadLetterPlace[]>;
}
