import { type Consumption, type Holder, type Subscription } from './consumption.js';
import { type FencedStore } from './fenced-store.js';

/** How a careless broker keeps what it knows of consumers; tests alone use it. */
export interface ConsumerStoreBugs {
  /** A new owner does not load the highest consumer epoch. */
  readonly forgetsConsumerEpochs?: boolean;
  /** Tokens are counted by each owner anew. */
  readonly countsTokensAnew?: boolean;
}

/** Who holds each partition of the group, as its owners store it: in one transaction with the check of their own epoch. */
export class ConsumerStore {
  readonly #store: FencedStore;
  readonly #consumption: Consumption;
  readonly #bugs: ConsumerStoreBugs;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(store: FencedStore, consumption: Consumption, bugs: ConsumerStoreBugs) {
    this.#store = store;
    this.#consumption = consumption;
    this.#bugs = bugs;
  }

  /** Stores a consumer's epoch, with a new token for each new holder and owner. False: refused. */
  subscribe(key: string, ownerEpoch: number, by: Holder): boolean {
    if (!this.#mayHave(key, ownerEpoch, by)) {
      return false;
    }
    const stored = this.#subscriptions.get(key);
    const isOwn = stored?.ownerEpoch === ownerEpoch;
    const last = !isOwn && this.#bugs.countsTokensAnew === true ? 0 : (stored?.token ?? 0);
    const isNew = !isOwn || stored.consumerEpoch !== by.consumerEpoch;
    const subscription = { ...by, ownerEpoch, token: isNew ? last + 1 : last };
    this.#subscriptions.set(key, subscription);
    this.#consumption.subscribed(key, subscription);
    return true;
  }

  /** False: another consumer, or another owner, has come since. */
  settle(key: string, ownerEpoch: number, by: Holder, nowMs: number): boolean {
    const may = this.#mayHave(key, ownerEpoch, by);
    if (may) {
      this.#consumption.settled(key, by, nowMs);
    }
    return may;
  }

  #mayHave(key: string, ownerEpoch: number, by: Holder): boolean {
    const stored = this.#subscriptions.get(key);
    const isLoaded = stored?.ownerEpoch === ownerEpoch || this.#bugs.forgetsConsumerEpochs !== true;
    const highest = isLoaded ? (stored?.consumerEpoch ?? 0) : 0;
    return this.#store.epochs.get(key) === ownerEpoch && by.consumerEpoch >= highest;
  }
}
