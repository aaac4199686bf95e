export { Credit } from './credit.js';
export {
  type DeliveryMode,
  type Dispatch,
  DISPATCHER_LIMITS,
  type DispatcherLimits,
  type DispatchOrder,
  type GroupDispatcherOptions,
  type GroupSettings,
  type Holding,
  type LaneCounts,
  type LaneFeed,
  type Now,
  type SealedChanges,
  type SubscribeOutcome,
  type Wanted,
} from './dispatcher-types.js';
export { GroupDispatcher } from './group-dispatcher.js';
export { DISPATCH_MAX } from './outflow.js';
export {
  DEAD_LETTER_CAUSE,
  type DeadLetterCause,
  type DeadLetterEntry,
  type DeadLetterPlace,
  type GroupChange,
  type GroupSnapshot,
  type HeldDelivery,
  type HeldSubscription,
  type LaneCursor,
  type OffsetRange,
  type RetryEntry,
} from './group-state.js';
export { type HandedOver } from './hand-over.js';
export { InFlightPool, type InFlightShare } from './in-flight-pool.js';
export { OffsetRanges } from './offset-ranges.js';
export { type ExponentialWaits, type RetryPolicy, retryDelayMs } from './retry-policy.js';
export { SETTLE, type SettleKind, type SettleOutcome, type SettleRequest } from './settle.js';
export { RETURN_DELAY_MS } from './settlement.js';
export { type SubscriptionRequest } from './subscription.js';
