import { type Entry, ENTRY_STATE } from './entry.js';
import { MinHeap } from './min-heap.js';
import type { Subscription } from './subscription.js';

interface Extension {
  readonly entry: Entry;
  readonly deliveryNo: number;
  readonly deadlineMs: number;
}

/** Superseded extensions are swept out when this many are held, and again when the number has doubled. */
const SWEEP_AT = 1_024;

/**
 * When deliveries count as failed. A subscription's deliveries all have the same time to settle, so the order in which
 * they were made is that of their deadlines; only extended ones need a heap. Nothing is done per acknowledged message.
 */
export class Deadlines {
  readonly #extensions = new MinHeap<Extension>((a, b) => a.deadlineMs < b.deadlineMs);
  #sweepAt = SWEEP_AT;

  /** Extensions that are held, superseded ones included. */
  get extensionCount(): number {
    return this.#extensions.size;
  }

  /** A delivery begins. One that ends before an older one of its subscription is kept with the extended ones. */
  start(entry: Entry, subscription: Subscription, deadlineMs: number): void {
    if (deadlineMs < subscription.lastDeadlineMs && subscription.inFlight.size > 0) {
      this.extend(entry, deadlineMs);
      return;
    }
    entry.deadlineMs = deadlineMs;
    subscription.lastDeadlineMs = deadlineMs;
    subscription.inFlight.push(entry);
  }

  /** Gives a delivery in flight a new deadline. */
  extend(entry: Entry, deadlineMs: number): void {
    entry.deadlineMs = deadlineMs;
    entry.heldIn?.remove(entry);
    entry.subscription?.extended.push(entry);
    this.#extensions.push({ entry, deliveryNo: entry.deliveryNo, deadlineMs });
    if (this.#extensions.size >= this.#sweepAt) {
      this.#extensions.retain(isCurrent);
      this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#extensions.size);
    }
  }

  /**
   * The next delivery whose deadline has passed at `nowMs`, the earliest first; of equal ones the oldest message's, so
   * that in strict order those behind it are given back and not failed with it.
   */
  nextExpired(subscriptions: Iterable<Subscription>, nowMs: number): Entry | undefined {
    let earliest = this.#firstExtension()?.entry;
    for (const { inFlight } of subscriptions) {
      const oldest = inFlight.first;
      if (oldest !== undefined && (earliest === undefined || isEarlier(oldest, earliest))) {
        earliest = oldest;
      }
    }
    return earliest !== undefined && earliest.deadlineMs <= nowMs ? earliest : undefined;
  }

  /** The earliest deadline of all; infinity without one. */
  earliestMs(subscriptions: Iterable<Subscription>): number {
    let earliest = this.#firstExtension()?.deadlineMs ?? Number.POSITIVE_INFINITY;
    for (const { inFlight } of subscriptions) {
      earliest = Math.min(earliest, inFlight.first?.deadlineMs ?? earliest);
    }
    return earliest;
  }

  #firstExtension(): Extension | undefined {
    for (;;) {
      const extension = this.#extensions.peek();
      if (extension === undefined || isCurrent(extension)) {
        return extension;
      }
      this.#extensions.pop();
    }
  }
}

function isCurrent({ entry, deliveryNo, deadlineMs }: Extension): boolean {
  return entry.state === ENTRY_STATE.inFlight && entry.deliveryNo === deliveryNo && entry.deadlineMs === deadlineMs;
}

const isEarlier = (a: Entry, b: Entry): boolean =>
  a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.offset < b.offset);
