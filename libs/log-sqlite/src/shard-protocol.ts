import type { DeadLetterPlace, GroupChange, GroupSnapshot } from '@hermes/delivery';
import type {
  DeadLetterAges,
  DeadLetterRange,
  Fenced,
  GroupCounts,
  IdentifiedPublish,
  OpenPartitionRequest,
  ReadBounds,
  ScheduleChange,
  ScheduledRecord,
  ScheduleRange,
  StoredDeadLetter,
  StoreErrorDetails,
  StoreErrorKind,
} from '@hermes/log';

import type { PackedPage } from './lane-table.js';

/** A partition that the worker has opened, by number: the main thread's name for one opening. */
export type SessionId = number;

export interface OpenedLane {
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly lastAppendedAtMs: number;
  readonly sizeBytes: number;
}

export type OpenAnswer =
  | {
      readonly kind: 'opened';
      readonly session: SessionId;
      readonly receiptKey: Uint8Array;
      readonly nextScheduleId: number;
      readonly promotionMarks: readonly number[];
      readonly lanes: OpenedLane[];
    }
  | { readonly kind: 'epochTooLow'; readonly observed: number }
  | { readonly kind: 'dataLoss'; readonly detail: string };

export interface RefusedAnswer {
  readonly kind: 'refused';
  readonly error: ErrorAnswer;
}

export type WriteAnswer =
  { readonly kind: 'appended' | 'committed' } | { readonly kind: 'full' } | Fenced | RefusedAnswer;

/** A StoreError on its way between threads. */
export interface ErrorAnswer {
  readonly kind: StoreErrorKind;
  readonly message: string;
  readonly details: StoreErrorDetails;
}

/** What waits together is written in one transaction; the buffer of an append is moved there and back. */
export type WriteRequest =
  | {
      readonly op: 'append';
      readonly id: number;
      readonly session: SessionId;
      readonly lane: number;
      readonly appendId: number;
      readonly count: number;
      readonly buffer: ArrayBuffer;
      readonly nowMs: number;
    }
  | {
      readonly op: 'commit';
      readonly id: number;
      readonly session: SessionId;
      readonly changes: readonly GroupChange[];
    }
  | {
      readonly op: 'schedule';
      readonly id: number;
      readonly session: SessionId;
      readonly changes: readonly ScheduleChange[];
    }
  | {
      readonly op: 'saveProducers';
      readonly id: number;
      readonly session: SessionId;
      readonly snapshot: Uint8Array;
    }
  | {
      readonly op: 'truncate';
      readonly id: number;
      readonly session: SessionId;
      readonly lane: number;
      readonly offset: number;
    };

export type AppendRequest = Extract<WriteRequest, { op: 'append' }>;

/** What is done between the transactions: by name, what goes there and what comes back. */
export interface ShardCalls {
  lock: { arguments: { path: string }; answer: undefined };
  openFile: { arguments: { path: string }; answer: undefined };
  open: { arguments: { request: OpenPartitionRequest; nowMs: number }; answer: OpenAnswer };
  release: { arguments: { session: SessionId }; answer: undefined };
  read: { arguments: { session: SessionId; lane: number; from: number; bounds: ReadBounds }; answer: PackedPage };
  offsetAt: { arguments: { session: SessionId; lane: number; timeMs: number }; answer: number };
  groupIds: { arguments: { session: SessionId }; answer: number[] };
  load: { arguments: { session: SessionId; groupId: number }; answer: GroupSnapshot | undefined };
  counts: { arguments: { session: SessionId; groupId: number }; answer: GroupCounts };
  retryRecord: {
    arguments: { session: SessionId; groupId: number; lane: number; offset: number };
    answer: Uint8Array | undefined;
  };
  deadLetters: {
    arguments: { session: SessionId; groupId: number; range: DeadLetterRange };
    answer: StoredDeadLetter[];
  };
  deadLettersByAge: {
    arguments: { session: SessionId; groupId: number; range: DeadLetterAges };
    answer: DeadLetterPlace[];
  };
  readSchedule: { arguments: { session: SessionId; range: ScheduleRange }; answer: ScheduledRecord[] };
  hasSchedule: { arguments: { session: SessionId; scheduleId: number }; answer: boolean };
  scheduleCounts: { arguments: { session: SessionId }; answer: number[] };
  promotedFrom: { arguments: { session: SessionId; lane: number; offset: number }; answer: number[] };
  producers: { arguments: { session: SessionId }; answer: Uint8Array | undefined };
  identifiedFrom: {
    arguments: { session: SessionId; lane: number; offset: number; maxRecords: number };
    answer: IdentifiedPublish[];
  };
  identifiedSchedules: {
    arguments: { session: SessionId; scheduleId: number; maxRecords: number };
    answer: IdentifiedPublish[];
  };
  partitions: { arguments: object; answer: { topicId: number; partition: number }[] };
  remove: { arguments: { topicId: number; partition: number }; answer: undefined };
  /** Settings of the live connection that writes. */
  settings: { arguments: object; answer: ConnectionSettings };
  stop: { arguments: object; answer: undefined };
}

export interface ConnectionSettings {
  readonly journalMode: string;
  readonly synchronous: number;
  readonly pageBytes: number;
}

export type CallName = keyof ShardCalls;

export type CallRequest = {
  [Name in CallName]: { readonly op: Name; readonly id: number } & Readonly<ShardCalls[Name]['arguments']>;
}[CallName];

export type ShardRequest = WriteRequest | CallRequest;

export type ShardAnswer =
  | { readonly id: number; readonly answer: unknown; readonly buffer?: ArrayBuffer }
  | { readonly id: number; readonly error: ErrorAnswer };

/** What the worker posts: answers of one turn together, or the fault that ends the process. */
export type ShardMessage = { readonly answers: readonly ShardAnswer[] } | { readonly fatal: ErrorAnswer };
