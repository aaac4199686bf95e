import type { PublishIdentity } from './append-batch.js';
import type { CommitOutcome } from './group-state.js';

/** A message that takes its place in the log when it is due. */
export interface ScheduledRecord {
  /** Never used again in its partition. */
  readonly scheduleId: number;
  /** On the store's clock. */
  readonly dueAtMs: number;
  readonly lane: number;
  readonly record: Uint8Array;
  /** By which a repeat of its publish is known. */
  readonly identity?: PublishIdentity;
  /** From when on it is not delivered any more, on the store's clock. */
  readonly expiresAtMs?: number;
}

/** Below `offset` of its lane no record has a schedule that is still stored: a new owner need not look there. */
export interface PromotionMark {
  readonly lane: number;
  readonly offset: number;
}

/** One change of a partition's schedules. */
export type ScheduleChange =
  | { readonly kind: 'scheduled'; readonly entry: ScheduledRecord }
  | { readonly kind: 'unscheduled'; readonly scheduleIds: readonly number[] }
  | { readonly kind: 'mark'; readonly mark: PromotionMark };

/** Which schedules to read, in the order of their times. */
export interface ScheduleRange {
  /** Behind this one; undefined: from the beginning. */
  readonly after: Pick<ScheduledRecord, 'dueAtMs' | 'scheduleId'> | undefined;
  readonly maxRecords: number;
  /** Of their records; the first is given however large it is. */
  readonly maxBytes: number;
}

/**
 * The messages of one partition that wait for their time, fenced by the row that fences its groups. When one is due its
 * owner appends it with its id, and deletes it afterwards: which of a dead owner's are in the log already, the ids there
 * say.
 */
export interface Schedule {
  /** The first id that was not used when the partition was opened. */
  readonly nextId: number;
  /** As of the opening, by lane. */
  readonly marks: readonly number[];

  /** Writes all changes in one transaction, durably, or none, in turn with the groups' commits. */
  commit(changes: readonly ScheduleChange[]): Promise<CommitOutcome>;

  /** None: there are no more. */
  read(range: ScheduleRange): Promise<readonly ScheduledRecord[]>;

  /** Whether it still waits. */
  has(scheduleId: number): Promise<boolean>;

  /** How many wait, by lane; lanes behind the last that has any are left out. */
  counts(): Promise<readonly number[]>;

  /** Ids of the schedules that records of a lane from `offset` on were. Fails with `unsupported` without a log. */
  promotedFrom(lane: number, offset: number): Promise<readonly number[]>;
}
