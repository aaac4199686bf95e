export { Backoff, backoffDelayMs, type BackoffOptions } from './backoff.js';
export { BoundedQueue } from './bounded-queue.js';
export { type Clock, systemClock } from './clock.js';
export { createDeferred, type Deferred } from './deferred.js';
export { invariant, InvariantError } from './invariant.js';
export {
  Lifecycle,
  type LifecycleState,
  type Service,
  STOP_DEADLINE_DEFAULT_MS,
  type StopOptions,
} from './lifecycle.js';
export { type Random, random53, systemRandom } from './random.js';
export { Slots } from './slots.js';
export { type TaskFailureListener, TaskGroup } from './task-group.js';
export { type CancelTimer, sleep, systemTimers, TIMER_DELAY_MAX_MS, type Timers } from './timers.js';
export { Serial } from './serial.js';
