export { MetadataError, type MetadataErrorCode } from './metadata-error.js';
export {
  type AssignmentRecord,
  type BrokerRecord,
  type CreateOutcome,
  type GroupRecord,
  type GroupStore,
  type LeaseChanges,
  type LeaseState,
  type LeaseStore,
  type Metadata,
  type PageRequest,
  type TopicRecord,
  type TopicRevision,
  type TopicStore,
} from './metadata.js';
export { type MetadataOptions, openMetadata } from './open-metadata.js';
