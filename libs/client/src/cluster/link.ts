import { type AckResult, type RawAcknowledgeRequest } from '@hermes/contracts';
import { type Channels, type Method } from './channels.js';
import { type CallLimits } from './environment.js';
import { type PartitionCalls } from './partition-calls.js';
import { type Publisher } from './publisher.js';
import { type Router } from './router.js';
import { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';

/** A way into a cluster: straight to the owners, or through a gateway. */
export interface Link {
  readonly router: Router;
  readonly channels: Channels;
  readonly publisher: Publisher;
  /** Number of a topic's partitions, if it is known already. */
  knownPartitions(topic: string): number | undefined;
  /**
   * The same, asked for; undefined: nobody can tell now, but the other side splits by partition itself. TOPIC_NOT_FOUND;
   * PARTITION_MOVING if nobody could be asked in time.
   */
  partitionsOf(topic: string, limits: CallLimits): Promise<number | undefined>;
  /** A partition is not there: how many there are is asked for again. False if nothing was remembered. */
  forgetPartitions(topic: string): boolean;
  subscribe(request: SubscriptionRequest, events: SubscriptionEvents): Subscription;
  /** Settles entries and answers in order. */
  acknowledge(request: RawAcknowledgeRequest, limits: CallLimits): Promise<AckResult[]>;
  /** Withdraws a message that waits for its time. SCHEDULE_NOT_FOUND if it does not wait any more. */
  cancelSchedule(scheduleId: string, limits: CallLimits): Promise<void>;
  /** A call of AdminService. */
  admin<Request, Response>(method: Method<Request, Response>, request: Request, limits: CallLimits): Promise<Response>;
  /** Calls of PartitionService. */
  readonly partitions: PartitionCalls;
  close(): void;
}
