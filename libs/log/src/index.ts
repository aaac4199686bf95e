export { ByteBudget } from './byte-budget.js';
export { Appender, type AppenderCounters, type AppenderOptions } from './appender.js';
export { AppendBatch, type NewRecord, type PublishIdentity } from './append-batch.js';
export { type AppendChain, APPENDER_BOUNDS_DEFAULT, type AppenderBounds } from './append-queue.js';
export { partsOf } from './append-parts.js';
export { type AppendPart, type AppendResult, type WholeAppendResult } from './append-result.js';
export {
  type CommitOutcome,
  type DeadLetterAges,
  type DeadLetterRange,
  type DefiniteCommitOutcome,
  type GroupCounts,
  type GroupState,
  type StoredDeadLetter,
} from './group-state.js';
export { countsByLane, type LaneCount } from './lane-counts.js';
export {
  type AppendOutcome,
  type DefiniteAppendOutcome,
  type Fenced,
  type Full,
  type InDoubt,
  type LogFeed,
  type LogListener,
  type MessageLog,
  type ReadBounds,
  type Refused,
  type TruncateOutcome,
} from './message-log.js';
export { OpeningGate } from './opening-gate.js';
export { OpeningGates } from './opening-gates.js';
export {
  PAGE_BYTES_MAX,
  PAGE_RECORDS_MAX,
  PageCache,
  type PageCacheCounters,
  type PageCacheOptions,
} from './page-cache.js';
export { RecordBlock, type RecordColumns } from './record-block.js';
export { RECORD_KIND, type RecordKind } from './record-kind.js';
export {
  type PromotionMark,
  type Schedule,
  type ScheduleChange,
  type ScheduledRecord,
  type ScheduleRange,
} from './schedule.js';
export { type Environment, readSecret, type SecretReference } from './secret.js';
export { decodeHeld, encodeHeld } from './held.js';
export { decodeRanges, encodeRanges } from './settled-ranges.js';
export {
  type AttachedTopic,
  type LogShape,
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type PartitionStore,
  type StorageCapabilities,
  type StorageEngine,
} from './storage-engine.js';
export {
  logIsElsewhere,
  STORE_ERROR_KINDS,
  StoreError,
  type StoreErrorDetails,
  type StoreErrorKind,
} from './store-error.js';
export { isIntact, packRows, type StoredRow } from './stored-row.js';
export { TailCache, type TailCacheCounters } from './tail-cache.js';
export { TailLane } from './tail-lane.js';
export { readTls, type TlsOptions, type TlsSecrets } from './tls.js';
export type { IdentifiedPublish, ProducerState } from './producer-state.js';
export { KEY_SEQUENCE_MIN, type PublishClaim, type PublishPlace, PublishWindow } from './publish-window.js';
export { decodeWindow, encodeWindow, type StoredWindow, type WindowBounds } from './window-snapshot.js';
