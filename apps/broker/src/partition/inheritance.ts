import { type HandedOver, type HeldSubscription } from '@hermes/delivery';

/** What the owner before had in flight of one group, by the names that consumers know their subscriptions by. */
export class Inheritance {
  readonly #handedOver: Map<number, HandedOver>;

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

  get(id: number): HandedOver | undefined {
    return this.#handedOver.get(id);
  }

  /** Takes out what was a consumer's. */
  takeOf(consumer: string): HandedOver[] {
    const found = this.handedOver.filter((each) => each.consumer === consumer && each.name !== '');
    for (const { id } of found) {
      this.#handedOver.delete(id);
    }
    return found;
  }

  /** Takes out what is left. */
  takeAll(): HandedOver[] {
    const left = this.handedOver;
    this.#handedOver.clear();
    return left;
  }
}

/** Number of the first delivery that came after a batch; infinity if none did. */
export function firstAfter({ deliveries }: HandedOver, batch: number): number {
  return deliveries.find((delivery) => delivery.batch > batch)?.deliveryNo ?? Number.POSITIVE_INFINITY;
}
