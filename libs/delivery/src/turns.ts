import type { Subscription } from './subscription.js';

/** Messages that a subscription gets before the next one has its turn. */
const TURN_MESSAGES = 32;

/** The subscriptions that hold or get messages, and whose turn it is: round robin among those that take one. */
export class Turns implements Iterable<Subscription> {
  readonly #byId = new Map<number, Subscription>();
  /** Those that get messages. */
  #order: Subscription[] = [];
  #turn = 0;
  #given = 0;

  get isEmpty(): boolean {
    return this.#byId.size === 0;
  }

  /** Those that get messages. */
  get takers(): readonly Subscription[] {
    return this.#order;
  }

  get(id: number): Subscription | undefined {
    return this.#byId.get(id);
  }

  add(subscription: Subscription): void {
    this.#byId.set(subscription.id, subscription);
    if (!subscription.retired) {
      this.#order.push(subscription);
    }
  }

  /** It has no more turns. Gives it; undefined if it is not there. */
  retire(id: number): Subscription | undefined {
    const subscription = this.#byId.get(id);
    this.#order = this.#order.filter((one) => one !== subscription);
    return subscription;
  }

  /** Gives the removed one; undefined if it is not there. */
  remove(id: number): Subscription | undefined {
    const subscription = this.retire(id);
    this.#byId.delete(id);
    return subscription;
  }

  clear(): void {
    this.#byId.clear();
    this.#order = [];
  }

  /** The next subscription in turn that takes a message of so many bytes; undefined if none does. */
  next(bytes: number): Subscription | undefined {
    const { length } = this.#order;
    for (let tries = 0; length > 0 && tries <= length; tries += 1) {
      const subscription = this.#order[this.#turn % length];
      if (this.#given < TURN_MESSAGES && subscription?.takes(bytes) === true) {
        this.#given += 1;
        return subscription;
      }
      this.#turn = (this.#turn + 1) % length;
      this.#given = 0;
    }
    return undefined;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#byId.values();
  }
}
