import { invariant } from '@hermes/runtime';

import type { DispatcherLimits, LaneFeed, Now, Wanted } from './dispatcher-types.js';
import { Entry } from './entry.js';
import type { HandOver } from './hand-over.js';
import type { Lane } from './lane.js';
import { SETTLE, type SettleRequest } from './settle.js';
import type { Settlement } from './settlement.js';
import type { Window } from './window.js';

/** What waits behind a key is parked in storage in steps of at most so many. */
const PARK_MAX = 1_000;

/** Takes records of the log in, as far as the bounds allow, and makes room where waiting messages fill it. */
export class Intake {
  readonly #lanes: readonly Lane[];
  readonly #window: Window;
  readonly #limits: DispatcherLimits;
  readonly #redeliveredBelow: readonly number[];
  readonly #settlement: Settlement;
  readonly #handOver: HandOver;

  constructor(of: {
    readonly lanes: readonly Lane[];
    readonly window: Window;
    readonly limits: DispatcherLimits;
    readonly redeliveredBelow: readonly number[];
    readonly settlement: Settlement;
    readonly handOver: HandOver;
  }) {
    this.#lanes = of.lanes;
    this.#window = of.window;
    this.#limits = of.limits;
    this.#redeliveredBelow = of.redeliveredBelow;
    this.#settlement = of.settlement;
    this.#handOver = of.handOver;
  }

  /** What it would take next of each lane that it has room for. Parks waiting messages when that makes room. */
  wanted(now: Now): Wanted[] {
    this.#parkIfStuck(now);
    if (!this.#window.hasRoom) {
      return [];
    }
    return this.#lanes
      .filter((lane) => this.#mayGrow(lane))
      .map((lane) => ({ lane: lane.number, from: lane.fed, ...this.#window.room }));
  }

  /** Takes records in, as far as there is room; gives the offset that it wants next. */
  feed(lane: Lane, feed: LaneFeed): number {
    invariant(feed.from <= lane.fed, `lane ${lane.number} was fed from ${feed.from}, but ${lane.fed} was wanted`);
    let index = firstAtLeast(feed.offsets, lane.fed);
    for (; index < feed.offsets.length && this.#window.hasRoom; index += 1) {
      lane.skipTo(feed.offsets[index] as number);
      this.#takeIn(lane, feed, index);
      lane.step();
    }
    if (index === feed.offsets.length && feed.nextOffset > lane.fed) {
      lane.skipTo(feed.nextOffset);
    }
    return lane.fed;
  }

  /**
   * Knows a message before it is fed: one that an earlier owner delivered, and that is acknowledged now. Undefined if
   * the receipt cannot be of such a one, or if there is no room for another range: it will be delivered again.
   */
  adopt(lane: Lane, { kind, offset, attempt }: SettleRequest): Entry | undefined {
    const mayBe = kind === SETTLE.ack && attempt === 1 && offset >= lane.fed && offset < this.#deliveredBelow(lane);
    if (!mayBe || lane.isBarred(offset) || lane.cursor.rangeCount >= this.#limits.rangesMax) {
      return undefined;
    }
    const entry = new Entry({ lane: lane.number, offset, keyHash: 0, bytes: 0, redelivered: true });
    lane.entries.set(offset, entry);
    return entry;
  }

  /** True if an earlier owner had handed the message over: it is in flight now. */
  inherit(entry: Entry): boolean {
    const inherited = this.#handOver.take(entry.lane, entry.offset, entry.attempts);
    return inherited !== undefined && this.#settlement.takeOver(entry, inherited);
  }

  #takeIn(lane: Lane, feed: LaneFeed, index: number): void {
    const offset = feed.offsets[index] as number;
    if (lane.cursor.has(offset) || lane.entries.has(offset)) {
      return;
    }
    const keyHash = feed.keyHashes[index] ?? 0;
    const bytes = (feed.ends[index] as number) - (index === 0 ? 0 : (feed.ends[index - 1] as number));
    const redelivered = offset < this.#deliveredBelow(lane);
    const entry = new Entry({ lane: lane.number, offset, keyHash, bytes, redelivered });
    lane.entries.set(offset, entry);
    const isInherited = this.inherit(entry);
    lane.sequencer.add(entry);
    if (!isInherited) {
      this.#window.enter(entry);
    }
  }

  #deliveredBelow(lane: Lane): number {
    return this.#redeliveredBelow[lane.number] ?? 0;
  }

  /**
   * True if more of the lane may be taken in. What an earlier owner knew already, below its last range or a stored
   * retry, always may: it adds no range and no retry, and the messages that hold others up are among it.
   */
  #mayGrow(lane: Lane): boolean {
    const { rangesMax, retriesMax } = this.#limits;
    const isFull = lane.cursor.rangeCount > rangesMax || this.#settlement.retryCount >= retriesMax;
    return lane.isCatchingUp || !isFull;
  }

  /** Parks what waits behind keys when it fills the window or splits the cursor into too many ranges. */
  #parkIfStuck(now: Now): void {
    const isSplit = this.#lanes.some((lane) => lane.cursor.rangeCount > this.#limits.rangesMax);
    const isFull = !this.#window.hasRoom && this.#lanes.every((lane) => lane.sequencer.peek() === undefined);
    if (!(isSplit || isFull) || this.#settlement.isParking) {
      return;
    }
    for (const lane of this.#lanes) {
      const room = Math.max(0, this.#limits.retriesMax - this.#settlement.retryCount);
      for (const entry of lane.sequencer.blocked(Math.min(PARK_MAX, room))) {
        this.#settlement.park(entry, now);
      }
    }
  }
}

/** Index of the first offset at or above `offset`. */
function firstAtLeast(offsets: ArrayLike<number>, offset: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] as number) < offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
