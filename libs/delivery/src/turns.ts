import type { Subscription } from './subscription.js';

/** Messages that a subscription gets before the next one has its turn. */
const TURN_MESSAGES = 32;

/** The open subscriptions, and whose turn it is: round robin among those that take a message. */
export class Turns implements Iterable<Subscription> {
  readonly #byId = new Map<number, Subscription>();
  #order: readonly Subscription[] = [];
  #turn = 0;
  #given = 0;

  get isEmpty(): boolean {
    return this.#order.length === 0;
  }

  get(id: number): Subscription | undefined {
    return this.#byId.get(id);
  }

  add(subscription: Subscription): void {
    this.#byId.set(subscription.id, subscription);
    this.#order = [...this.#byId.values()];
  }

  /** Gives the removed one; undefined if it is not there. */
  remove(id: number): Subscription | undefined {
    const subscription = this.#byId.get(id);
    this.#byId.delete(id);
    this.#order = [...this.#byId.values()];
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
    return this.#order[Symbol.iterator]();
  }
}
