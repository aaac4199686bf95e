import { SeededRandom } from '@hermes/testing';

import { Credit, type Dispatch, GroupDispatcher, InFlightPool, SETTLE } from '../src/index.js';
import { feedWanted } from './feed-wanted.js';

const MESSAGES = 150_000;
const RETRIES_MAX = 100_000;
const WINDOW_MAX = 4_096;
const KEY = 7;
const LATER_MS = 1_000_000;

/** Nine of ten messages are of one key, the others of none. */
const isKeyed = (offset: number): boolean => offset % 10 !== 9;

const LOG = { messages: MESSAGES, keyHashOf: (offset: number) => (isKeyed(offset) ? KEY : 0) };

/** A group whose first message fails: all of its key wait behind it. */
class WaitingKey {
  readonly seen: number[] = [];
  others = 0;
  floor = 0;
  fails = true;
  nowMs = 0;
  readonly dispatcher: GroupDispatcher;
  #deliveryNo = 0;

  constructor() {
    this.dispatcher = new GroupDispatcher({
      mode: 'keyOrdered',
      settings: {
        retry: { kind: 'fixed', delayMs: 20, maxAttempts: 4 },
        paused: false,
        deadLetterExpired: false,
      },
      snapshot: {
        ...{ groupId: 1, consumerEpoch: 0, token: 0, generation: 0, inFlight: [], retries: [] },
        lanes: [{ lane: 0, floor: 0, settled: [] }],
      },
      redeliveredBelow: [0],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: new SeededRandom(1),
      inFlight: new InFlightPool(1_000_000).share(() => undefined),
    });
    const credit = new Credit(1_000, 1_000_000_000);
    this.dispatcher.subscribe({ id: 1, consumer: 'c', consumerEpoch: 0, ackDeadlineMs: 1e9, credit }, this.#now());
  }

  /** Feeds, delivers and commits once; false if nothing has happened. */
  step(): boolean {
    const isFed = feedWanted(this.dispatcher, LOG, this.#now());
    const dispatches = this.dispatcher.dispatch(this.#now()).flatMap((order) => order.dispatches);
    dispatches.forEach((dispatch) => {
      this.#settle(dispatch);
    });
    return this.#commit() || isFed || dispatches.length > 0;
  }

  #settle({ lane, offset, attempt, deliveryNo }: Dispatch): void {
    const fails = this.fails && offset === 0;
    const kind = fails ? SETTLE.nack : SETTLE.ack;
    this.dispatcher.settle(
      { kind, lane, offset, attempt, deliveryNo, consumerEpoch: 0, delayMs: LATER_MS },
      this.#now(),
    );
    if (!isKeyed(offset)) {
      this.others += 1;
    } else if (!fails) {
      this.seen.push(offset);
    }
  }

  #commit(): boolean {
    const sealed = this.dispatcher.takeChanges(this.#now());
    for (const change of sealed?.changes ?? []) {
      this.floor = change.kind === 'cursor' ? change.cursor.floor : this.floor;
    }
    if (sealed !== undefined) {
      this.dispatcher.committed(sealed.ticket);
    }
    return sealed !== undefined;
  }

  #now(): { monotonicMs: number; storeMs: number } {
    return { monotonicMs: this.nowMs, storeMs: this.nowMs };
  }
}

describe('messages that wait behind one key', () => {
  it('wait in storage up to its bound, the rest in the log; others go on until then, and all come in order', () => {
    const group = new WaitingKey();
    while (group.step()) {
      const { retries, windowRecords, settledRanges } = group.dispatcher.gauges;
      expect(retries).toBeLessThanOrEqual(RETRIES_MAX);
      expect(windowRecords).toBeLessThanOrEqual(WINDOW_MAX);
      expect(settledRanges).toBeLessThanOrEqual(WINDOW_MAX + 1);
    }
    expect(group.seen).toEqual([]);
    expect(group.others).toBeGreaterThan(RETRIES_MAX / 10);
    expect(group.dispatcher.gauges.retries).toBeGreaterThan(RETRIES_MAX - 1_000);
    group.fails = false;
    group.nowMs = 2 * LATER_MS;
    while (group.step()) {
      // One at a time.
    }
    expect(group.floor).toBe(MESSAGES);
    expect(group.others).toBe(MESSAGES / 10);
    expect(group.seen).toEqual(Array.from({ length: MESSAGES }, (_, offset) => offset).filter(isKeyed));
  }, 120_000);
});
