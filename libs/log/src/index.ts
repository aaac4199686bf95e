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
export { RecordBlock, type RecordColumns } from './record-block.js';
export {
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type PartitionStore,
  type StorageCapabilities,
  type StorageEngine,
} from './storage-engine.js';
export { STORE_ERROR_KINDS, StoreError, type StoreErrorDetails, type StoreErrorKind } from './store-error.js';
