export { type Leader, type Leadership } from './leadership.js';
export { MetadataError, type MetadataErrorCode } from './metadata-error.js';
export { type MetadataOptions } from './metadata-options.js';
export {
  type BrokerLeaseStore,
  type Candidacy,
  type CreateOutcome,
  type DataSourceDeletion,
  type DataSourceRecord,
  type DataSourceStore,
  type GroupRecord,
  type GroupStore,
  type LeadershipTerm,
  type LeaseChanges,
  type LeaseState,
  type LeaseStore,
  type Metadata,
  type MetadataDatabase,
  type MetadataReads,
  type MetaServerStore,
  type PageRequest,
  type TopicRecord,
  type TopicRevision,
  type TopicStore,
} from './metadata.js';
export { type MetadataAccess, metadataAccess } from './mysql/metadata-access.js';
export { type BrokerLeaseOptions, openBrokerLease, type SharedBrokerLease } from './mysql/open-broker-lease.js';
export { checkMetadataUrl, openMetadata } from './open-metadata.js';
