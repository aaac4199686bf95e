import { Credit } from './credit.js';
import type { Holding, Now } from './dispatcher-types.js';
import type { HeldDelivery, HeldSubscription } from './group-state.js';
import { Subscription } from './subscription.js';

/** What an earlier owner handed over of one consumer, and the id under which it is kept here. */
export interface HandedOver extends Pick<HeldSubscription, 'name' | 'consumer' | 'deliveries'> {
  readonly id: number;
}

/** A delivery of an earlier owner that is in flight still. */
export interface Inherited {
  readonly subscription: Subscription;
  readonly attempt: number;
  readonly deliveryNo: number;
  /** Monotonic. */
  readonly deadlineMs: number;
}

/**
 * What an earlier owner had in flight when it gave the partition up in good order. Each message is in flight from the
 * moment it is known here: nobody gets it twice. It waits for its consumer under a subscription on hold.
 */
export class HandOver {
  readonly subscriptions: readonly Subscription[];
  /** By lane, then offset. */
  readonly #pending = new Map<number, Map<number, Inherited>>();

  constructor(handedOver: readonly HandedOver[], consumerEpoch: number, now: Now) {
    this.subscriptions = handedOver.map(({ id, consumer, name, deliveries }) => {
      const credit = new Credit(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
      const subscription = new Subscription({ id, consumer, consumerEpoch, ackDeadlineMs: 0, credit }, false);
      subscription.onHold = true;
      subscription.inherits = true;
      // Nobody comes for what was pulled.
      subscription.retired = name === '';
      deliveries.forEach((delivery) => {
        this.#add(subscription, delivery, now);
      });
      return subscription;
    });
  }

  /** Offset up to which a lane has to be known for all of it to be in flight. */
  endOf(lane: number): number {
    return Math.max(0, ...Array.from(this.#pending.get(lane)?.keys() ?? [], (offset) => offset + 1));
  }

  /** The delivery of a message that is known now, if its next attempt would be this one. */
  take(lane: number, offset: number, attempts: number): Inherited | undefined {
    const lanePending = this.#pending.get(lane);
    const inherited = lanePending?.get(offset);
    lanePending?.delete(offset);
    return inherited?.attempt === attempts + 1 ? inherited : undefined;
  }

  #add(subscription: Subscription, { lane, offset, attempt, deliveryNo, deadlineAtMs }: HeldDelivery, now: Now): void {
    const ofLane = this.#pending.get(lane) ?? new Map<number, Inherited>();
    this.#pending.set(lane, ofLane);
    const deadlineMs = now.monotonicMs + (deadlineAtMs - now.storeMs);
    ofLane.set(offset, { subscription, attempt, deliveryNo, deadlineMs });
  }
}

/** What a subscription holds, to be handed over; undefined if that is nothing. */
export function holdingOf(subscription: Subscription, now: Now): Holding | undefined {
  const { id: subscriptionId, consumer, retired, holding } = subscription;
  const deliveries = holding.map(({ lane, offset, attempts, deliveryNo, deadlineMs }) => ({
    ...{ lane, offset, attempt: attempts + 1, deliveryNo },
    deadlineAtMs: Math.ceil(now.storeMs + (deadlineMs - now.monotonicMs)),
  }));
  return deliveries.length === 0 ? undefined : { subscriptionId, consumer, retired, deliveries };
}
