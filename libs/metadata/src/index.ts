export { MetadataError, type MetadataErrorCode } from './metadata-error.js';
export {
  type AssignmentRecord,
  type AssignmentStore,
  type BrokerRecord,
  type BrokerStore,
  type CreateOutcome,
  type GroupRecord,
  type GroupStore,
  type Metadata,
  type PageRequest,
  type TopicRecord,
  type TopicRevision,
  type TopicStore,
} from './metadata.js';
export { type MetadataOptions, openMetadata } from './open-metadata.js';
