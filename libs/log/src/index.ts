export { ByteBudget } from './byte-budget.js';
export {
  Appender,
  APPENDER_BOUNDS_DEFAULT,
  type AppendChain,
  type AppenderBounds,
  type AppenderCounters,
  type AppenderOptions,
  type AppendResult,
} from './appender.js';
export { AppendBatch, type NewRecord } from './append-batch.js';
export { type CommitOutcome, type DefiniteCommitOutcome, type GroupCounts, type GroupState } from './group-state.js';
export {
  type AppendOutcome,
  type DefiniteAppendOutcome,
  type Fenced,
  type Full,
  type InDoubt,
  type MessageLog,
  type ReadBounds,
  type Refused,
  type TruncateOutcome,
} from './message-log.js';
export {
  PAGE_BYTES_MAX,
  PAGE_RECORDS_MAX,
  PageCache,
  type PageCacheCounters,
  type PageCacheOptions,
} from './page-cache.js';
export { RecordBlock, type RecordColumns } from './record-block.js';
export {
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type PartitionStore,
  type StorageCapabilities,
  type StorageEngine,
} from './storage-engine.js';
export { STORE_ERROR_KINDS, StoreError, type StoreErrorDetails, type StoreErrorKind } from './store-error.js';
export { TailCache, type TailCacheCounters } from './tail-cache.js';
export { TailLane } from './tail-lane.js';
