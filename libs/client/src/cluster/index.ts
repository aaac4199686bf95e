export { Channels, type ClientIdentity, type Method } from './channels.js';
export { Cluster, type ClusterOptions } from './cluster.js';
export { type ClusterSubscription } from './cluster-subscription.js';
export { type CallLimits, type Environment, systemEnvironment } from './environment.js';
export { failureOf, isUntried, partitionMoving } from './failure.js';
export { GatewayLink } from './gateway-link.js';
export { InFlight } from './in-flight.js';
export { type Link } from './link.js';
export { type PartitionCalls } from './partition-calls.js';
export {
  type Chain,
  PendingMessage,
  type PendingOptions,
  type Published,
  type PublishOutcome,
} from './pending-message.js';
export { type PublishQueue } from './publish-queue.js';
export { type Route, RouteTable } from './route-table.js';
export { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';
