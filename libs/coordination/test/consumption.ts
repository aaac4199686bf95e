import { type HeldPartition } from '../src/index.js';
import { keyOf } from './fenced-store.js';

/** A consumer's process, and its right to a partition. */
export interface Holder {
  readonly process: string;
  readonly consumerEpoch: number;
}

/** What an owner has given to a holder. */
export interface Subscription extends Holder {
  readonly ownerEpoch: number;
  readonly token: number;
}

/** What must hold for the consumers of an EXCLUSIVE group, as somebody sees it who sees everything. */
export class Consumption {
  /** Longest time that a partition may be settled by nobody, once it was. */
  gapMaxMs = Number.POSITIVE_INFINITY;
  /** Grants of an epoch that nobody had before. */
  moves = 0;
  readonly #grantedTo = new Map<string, string>();
  readonly #highest = new Map<string, number>();
  readonly #accepted = new Map<string, Holder>();
  readonly #subscribed = new Map<string, Subscription>();
  readonly #settledAtMs = new Map<string, number>();

  /** Consumer epochs grow, across leaders too, and no two processes have the same. */
  granted(held: HeldPartition, process: string): void {
    const key = keyOf(held);
    const { epoch } = held;
    const former = this.#grantedTo.get(`${key}@${epoch}`);
    if (former === process) {
      return;
    }
    const highest = this.#highest.get(key) ?? 0;
    if (former !== undefined || epoch <= highest) {
      throw new Error(`${key}: consumer epoch ${epoch} goes to ${process}, after ${former ?? highest}`);
    }
    this.#grantedTo.set(`${key}@${epoch}`, process);
    this.#highest.set(key, epoch);
    this.moves += 1;
  }

  /** Nobody subscribes after his successor, and tokens grow with each holder and each owner. */
  subscribed(key: string, by: Subscription): void {
    this.#accept(key, by);
    const last = this.#subscribed.get(key);
    this.#subscribed.set(key, by);
    const isSame = by.process === last?.process && by.ownerEpoch === last.ownerEpoch;
    if (last !== undefined && (by.token < last.token || (by.token === last.token && !isSame))) {
      throw new Error(`${key}: token ${by.token} of ${by.process}, after ${last.process} had ${last.token}`);
    }
  }

  /** Nobody settles after his successor. */
  settled(key: string, by: Holder, nowMs: number): void {
    this.#accept(key, by);
    const silentMs = nowMs - (this.#settledAtMs.get(key) ?? nowMs);
    this.#settledAtMs.set(key, nowMs);
    if (silentMs > this.gapMaxMs) {
      throw new Error(`${key} had no consumer for ${silentMs.toFixed(0)} ms`);
    }
  }

  /** When a partition was last settled; -1: never. */
  settledAtMs(key: string): number {
    return this.#settledAtMs.get(key) ?? -1;
  }

  #accept(key: string, by: Holder): void {
    const last = this.#accepted.get(key) ?? by;
    this.#accepted.set(key, by);
    if (by.consumerEpoch < last.consumerEpoch) {
      throw new Error(
        `${key}: ${by.process} is accepted at ${by.consumerEpoch}, after ${last.process} at ${last.consumerEpoch}`,
      );
    }
    if (by.consumerEpoch === last.consumerEpoch && by.process !== last.process) {
      throw new Error(`${key}: ${by.process} is accepted at the consumer epoch of ${last.process}`);
    }
  }
}
