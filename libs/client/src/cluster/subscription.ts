import { type HermesError, type RawDelivery, type SubscribeAccepted } from '@hermes/contracts';
import { type ConsumerName } from './consumer-leases.js';

/** What a consumer asks for. */
export interface SubscriptionRequest extends ConsumerName {
  readonly maxInFlightMessages: number;
  readonly maxInFlightBytes: number;
  /** The group's if unset. */
  readonly ackDeadlineMs?: number;
}

/** Where a batch came from: which of the subscription's streams, and its number there. Both are numbers of 32 bits. */
export interface BatchOrigin {
  readonly stream: number;
  readonly batch: number;
}

/** What a subscription tells its consumer. */
export interface SubscriptionEvents {
  /** The terms, before the first delivery; once. */
  accepted(terms: SubscribeAccepted): void;
  deliveries(deliveries: RawDelivery[], from: BatchOrigin): void;
  /** What came from these partitions and is not settled may be delivered again; unset: from all. */
  lost(partitions?: ReadonlySet<number>): void;
  /** It is over for good. */
  ended(error: HermesError): void;
}

/** A consumer's deliveries, from wherever they come. */
export interface Subscription {
  /** Takes nothing more from the owners until `resume`. */
  pause(): void;
  resume(): void;
  /** The delivery of this receipt is settled. */
  settled(receipt: Uint8Array): void;
  /** Ends it; no event follows. */
  close(): void;
}
