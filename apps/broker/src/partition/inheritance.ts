import { LIMITS, type Resume } from '@hermes/contracts';
import { type GroupDispatcher, type HandedOver, type HeldSubscription, type Holding } from '@hermes/delivery';
import { type CancelTimer, type Timers } from '@hermes/runtime';
import { type GroupMember } from './group-member.js';
import { type GroupMembers } from './group-members.js';

/** Deliveries in flight of one group that are handed over at most; the rest is delivered again. */
const HANDED_OVER_MAX = 10_000;

/**
 * What is in flight of one group when its partition changes owners in good order: what the owner before handed over,
 * until its consumers have come for it, and what is there for the next one.
 */
export class Inheritance {
  readonly #handedOver: Map<number, HandedOver>;
  #cancelTimer: CancelTimer = () => undefined;

  /** `nextId` numbers subscriptions of this process. */
  constructor(held: readonly HeldSubscription[], nextId: () => number) {
    this.#handedOver = new Map(
      held.map((subscription) => {
        const id = nextId();
        return [id, { ...subscription, id }];
      }),
    );
  }

  /** What nobody has come for. */
  get handedOver(): HandedOver[] {
    return [...this.#handedOver.values()];
  }

  /** The highest number of a delivery in flight. */
  get lastDeliveryNo(): number {
    const numbers = this.handedOver.flatMap(({ deliveries }) => deliveries.map(({ deliveryNo }) => deliveryNo));
    return numbers.reduce((last, number) => Math.max(last, number), 0);
  }

  /** Gives back what nobody has come for within the grace that consumers were told. `wake`: something is ready again. */
  expire(dispatcher: GroupDispatcher, timers: Timers, wake: () => void): void {
    if (this.#handedOver.size > 0) {
      this.#cancelTimer = timers.after(LIMITS.drainGraceMs, () => {
        this.#giveBack(dispatcher, this.handedOver);
        wake();
      });
    }
  }

  stop(): void {
    this.#cancelTimer();
  }

  /** A consumer subscribes: what it had at the owner before is its own again, or is for others if it does not ask for it. */
  handOn(dispatcher: GroupDispatcher, member: GroupMember, resume: Resume | undefined): void {
    const name = resume === undefined ? '' : Buffer.from(resume.subscriptionId).toString('hex');
    const { consumer } = member.subscription;
    const own = this.handedOver.filter((each) => each.consumer === consumer && each.name !== '');
    for (const { id, deliveries } of own.filter((each) => each.name === name)) {
      const lost = deliveries.find(({ batch }) => batch > (resume?.lastBatch ?? 0));
      member.hasInherited = dispatcher.inherit(id, member.id, lost?.deliveryNo ?? Number.POSITIVE_INFINITY);
      this.#handedOver.delete(id);
    }
    this.#giveBack(
      dispatcher,
      own.filter((each) => each.name !== name),
    );
  }

  /** What is in flight, for the next owner: the deliveries of each subscription, and in which batch of it they went. */
  handOver(holdings: readonly Holding[], members: GroupMembers): HeldSubscription[] {
    let room = HANDED_OVER_MAX;
    return holdings.map(({ subscriptionId, consumer, retired, deliveries }) => {
      const { name, batchOf } = this.#sent(members.get(subscriptionId), subscriptionId);
      const kept = deliveries.slice(0, room);
      room -= kept.length;
      return {
        name: retired ? '' : name,
        consumer,
        deliveries: kept.map((delivery) => ({ ...delivery, batch: batchOf(delivery.deliveryNo) })),
      };
    });
  }

  /** How a subscription is known to its consumer, and where its deliveries were sent. */
  #sent(
    member: GroupMember | undefined,
    subscriptionId: number,
  ): { readonly name: string; readonly batchOf: (deliveryNo: number) => number } {
    if (member !== undefined) {
      return { name: member.subscription.name, batchOf: member.batches() };
    }
    const { name = '', deliveries = [] } = this.#handedOver.get(subscriptionId) ?? {};
    const batches = new Map(deliveries.map(({ deliveryNo, batch }) => [deliveryNo, batch]));
    return { name, batchOf: (deliveryNo) => batches.get(deliveryNo) ?? 0 };
  }

  #giveBack(dispatcher: GroupDispatcher, handedOver: readonly HandedOver[]): void {
    for (const { id } of handedOver) {
      dispatcher.disinherit(id);
      this.#handedOver.delete(id);
    }
  }
}
