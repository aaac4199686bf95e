import type { Credit } from './credit.js';
import type { Subscription } from './subscription.js';

/** Finds a subscription for a message that goes alone. While none is empty, one is kept from getting anything more. */
export class Reservation {
  #credit: Credit | undefined;

  /** A subscription that holds nothing; undefined if none of these does yet. */
  find(subscriptions: readonly Subscription[]): Subscription | undefined {
    const open = subscriptions.filter(({ isOpen }) => isOpen);
    const empty = open.find(({ credit }) => credit.fitsAlone(this));
    if (empty !== undefined || !open.some(({ credit }) => credit === this.#credit)) {
      this.release();
    }
    if (empty === undefined && this.#credit === undefined) {
      const fewestFirst = open.sort((a, b) => a.credit.messages - b.credit.messages);
      this.#credit = fewestFirst.find(({ credit }) => credit.reserve(this))?.credit;
    }
    return empty;
  }

  /** No message waits that goes alone. */
  release(): void {
    this.#credit?.release(this);
    this.#credit = undefined;
  }
}
