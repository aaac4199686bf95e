import type { PublishIdentity } from './append-batch.js';
import type { CommitOutcome } from './group-state.js';

/** Where a publish that may be repeated has gone. */
export interface IdentifiedPublish {
  readonly identity: PublishIdentity;
  readonly lane: number;
  /** In the log; undefined: it waits for its time, or did. */
  readonly offset: number | undefined;
  /** Of the schedule that it was, or is. */
  readonly scheduleId: number | undefined;
  /** CRC-32 of its record: another content under the same identity is known by it. */
  readonly checksum: number;
  /** When it was appended, on the store's clock; 0 while it waits for its time. */
  readonly appendedAtMs: number;
}

/**
 * What is stored of the publishes of one partition that may be repeated: their identities, in the rows of the log and of
 * the schedules, and now and then a snapshot, so that a new owner need not look at all of them.
 */
export interface ProducerState {
  /** The last snapshot; undefined: there was none. */
  load(): Promise<Uint8Array | undefined>;

  /** Replaces it durably, in turn with the groups' commits and fenced like them. */
  save(snapshot: Uint8Array): Promise<CommitOutcome>;

  /** Publishes of a lane from `offset` on, in order, at most `maxRecords`. Fails with `unsupported` without a log. */
  appendedFrom(lane: number, offset: number, maxRecords: number): Promise<readonly IdentifiedPublish[]>;

  /** Publishes that wait for their time, from this schedule's id on, in the order of their ids. */
  scheduledFrom(scheduleId: number, maxRecords: number): Promise<readonly IdentifiedPublish[]>;
}
