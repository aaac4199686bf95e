export { assign, type AssignHolder, type AssignItem } from './assign.js';
export {
  type AssignmentReason,
  type BrokerGrantEffect,
  type BrokerLeaseEffect,
  type BrokerProcess,
  type BrokerRegistration,
  type BrokerRevokeEffect,
  type BrokerView,
  type CloseEffect,
  type DataSourceChoice,
  type EndLeaseEffect,
  type LeasedTopic,
  type MoveRefusal,
  type PartitionMove,
  type PartitionView,
  type PersistedAssignment,
  type PersistedBroker,
  type PersistEffect,
  type ProbeEffect,
  type ReadyEffect,
  type RoutesEffect,
} from './broker-lease-effect.js';
export { BrokerLeases, type BrokerLeasesOptions } from './broker-leases.js';
export {
  type ConsumerGrantEffect,
  type ConsumerJoin,
  type ConsumerLeaseEffect,
  type ConsumerRevokeEffect,
  type ConsumerView,
  type DealMode,
  type LeasedGroup,
} from './consumer-lease-effect.js';
export { ConsumerLeases, type ConsumerLeasesOptions } from './consumer-leases.js';
export {
  CLOSE_REASON,
  type CloseReason,
  COALESCE_MS,
  type HeldPartition,
  LEASE_MARGIN_MS,
  LEASE_TTL_DEFAULT_MS,
  type LeaseAssignment,
  type PartitionRef,
  REVOKE_GRACE_MS,
  type Route,
  type SessionId,
  SETTLE_MS,
  type TopicRoutes,
} from './lease.js';
export { HeldAssignments, type LeaseChange } from './held-assignments.js';
export { LeaseHolder, type ReceivedGrant, type Renewal } from './lease-holder.js';
export { LeaseTerm, type Now } from './lease-term.js';
export { placeInDirectory, type PlaceableDataSource, type PlaceableDirectory, placeOnDataSource } from './place.js';
