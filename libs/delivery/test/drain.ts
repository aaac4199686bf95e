import { SeededRandom } from '@hermes/testing';

import {
  Credit,
  type DeliveryMode,
  type Dispatch,
  GroupDispatcher,
  InFlightPool,
  type OffsetRange,
  type RetryEntry,
  SETTLE,
  type SettleKind,
} from '../src/index.js';
import { feedWanted, type ImaginedLog } from './feed-wanted.js';

const KEYS = 20_000;
const CONSUMERS = 4;
const CREDIT = 500;
const STEP_MS = 5;
/** Per step. */
const CRASH_CHANCE = 0.05;
const SEEK_CHANCE = 0.02;
/** One in so many messages is not wanted. */
export const FILTER_EVERY = 50;
const RETRY = { kind: 'fixed', delayMs: 20, maxAttempts: 4 } as const;

export const FATE = { none: 0, acknowledged: 1, dead: 2, expired: 3, passed: 4 } as const;
type Fate = (typeof FATE)[keyof typeof FATE];

/** What is stored of the group. */
interface Stored {
  cursor: { floor: number; settled: readonly OffsetRange[] };
  generation: number;
  readonly retries: Map<number, RetryEntry>;
  /** offset/generation */
  readonly letters: Set<string>;
}

/** A log that is drained by a group whose owner dies, and which is moved, again and again. */
export class Drain {
  readonly counts = { crashes: 0, seeks: 0, deliveries: 0 };
  readonly problems: string[] = [];
  readonly stored: Stored = {
    cursor: { floor: 0, settled: [] },
    generation: 0,
    retries: new Map(),
    letters: new Set(),
  };
  readonly #messages: number;
  readonly #log: ImaginedLog;
  readonly #mode: DeliveryMode;
  readonly #random: SeededRandom;
  /** What became of each message, once that was stored. */
  readonly #fates: Uint8Array;
  #decided: [number, Fate][] = [];
  #dispatcher!: GroupDispatcher;
  #nowMs = 0;
  #deliveryNo = 0;

  constructor(messages: number, mode: DeliveryMode, seed: number) {
    this.#messages = messages;
    this.#log = {
      messages,
      keyHashOf: (offset) => 1 + ((offset * 7_919) % KEYS),
      isWanted: (offset) => offset % FILTER_EVERY !== 0,
    };
    this.#mode = mode;
    this.#random = new SeededRandom(seed);
    this.#fates = new Uint8Array(messages);
    this.#open();
  }

  /** How many messages ended how; filtered ones have no end. */
  count(fate: Fate): number {
    return this.#fates.reduce((sum, one) => sum + (one === fate ? 1 : 0), 0);
  }

  run(): void {
    while (!this.#isDrained) {
      this.#nowMs += STEP_MS;
      feedWanted(this.#dispatcher, this.#log, this.#now());
      for (const { dispatches } of this.#dispatcher.dispatch(this.#now())) {
        dispatches.forEach((dispatch) => {
          this.#deliver(dispatch);
        });
      }
      if (this.#random.chance(CRASH_CHANCE)) {
        this.#crash();
      } else {
        this.#commit();
      }
      if (this.#random.chance(SEEK_CHANCE)) {
        this.#seek();
      }
    }
  }

  /** What does not add up. */
  audit(): string[] {
    this.#fates.forEach((fate, offset) => {
      const isFiltered = offset % FILTER_EVERY === 0;
      if ((fate === FATE.none) !== isFiltered && fate !== FATE.passed) {
        this.#problem(`${offset} has fate ${fate}`);
      }
      if (fate === FATE.dead && !this.#lettersOf(offset)) {
        this.#problem(`${offset} is dead, and there is no letter`);
      }
    });
    return this.problems;
  }

  #lettersOf(offset: number): boolean {
    return Array.from({ length: this.stored.generation + 1 }, (_, at) => `${offset}/${at}`).some((one) =>
      this.stored.letters.has(one),
    );
  }

  /** Share of failures; in an EXCLUSIVE lane each one stops all. */
  get #failing(): number {
    return this.#mode === 'exclusive' ? 0.001 : 0.05;
  }

  get #isDrained(): boolean {
    return this.stored.cursor.floor === this.#messages && this.stored.retries.size === 0;
  }

  /** A new owner, with nothing but what is stored. */
  #open(): void {
    const { cursor, generation, retries } = this.stored;
    this.#decided = [];
    this.#dispatcher = new GroupDispatcher({
      mode: this.#mode,
      settings: { retry: RETRY, paused: false, deadLetterExpired: false },
      snapshot: {
        ...{ groupId: 1, consumerEpoch: 1, token: 1, generation, inFlight: [] },
        lanes: [{ lane: 0, ...cursor }],
        retries: [...retries.values()],
      },
      redeliveredBelow: [this.#messages],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: this.#random,
      inFlight: new InFlightPool(1_000_000).share(() => undefined),
    });
    const consumers = this.#mode === 'exclusive' ? 1 : CONSUMERS;
    for (let id = 1; id <= consumers; id += 1) {
      const credit = new Credit(CREDIT, 1_000_000_000);
      const request = { id, consumer: `c${id}`, consumerEpoch: 1, ackDeadlineMs: 60_000, credit };
      this.#dispatcher.subscribe(request, this.#now());
    }
    this.#commit();
  }

  #deliver({ lane, offset, attempt, deliveryNo, mayExpire }: Dispatch): void {
    this.counts.deliveries += 1;
    if (this.#fates[offset] !== FATE.none) {
      this.#problem(`${offset} came after its end`);
    }
    const draw = this.#random.next();
    const settle = (kind: SettleKind, fate: Fate | undefined): void => {
      const receipt = { kind, lane, offset, attempt, deliveryNo, consumerEpoch: 1 };
      const { kind: outcome } = this.#dispatcher.settle(receipt, this.#now());
      if (fate !== undefined && outcome === 'pending') {
        this.#decided.push([offset, fate]);
      }
    };
    if (draw < 0.01 && mayExpire) {
      this.#dispatcher.expire(lane, offset);
      // Void meanwhile, it was not expired, and this is stale.
      settle(SETTLE.ack, FATE.expired);
    } else if (draw < 0.01 + this.#failing) {
      settle(SETTLE.nack, attempt === RETRY.maxAttempts ? FATE.dead : undefined);
    } else if (draw < 0.011 + this.#failing) {
      settle(SETTLE.return, undefined);
    } else if (draw < 0.021 + this.#failing) {
      settle(SETTLE.deadLetter, FATE.dead);
    } else {
      settle(SETTLE.ack, FATE.acknowledged);
    }
  }

  #commit(): void {
    const sealed = this.#dispatcher.takeChanges(this.#now());
    if (sealed === undefined) {
      return;
    }
    for (const change of sealed.changes) {
      switch (change.kind) {
        case 'cursor':
          this.stored.cursor = change.cursor;
          break;
        case 'retry':
          this.stored.retries.set(change.entry.offset, change.entry);
          break;
        case 'retryDone':
          this.stored.retries.delete(change.offset);
          break;
        case 'deadLetter': {
          const { offset, generation } = change.entry;
          if (this.stored.letters.has(`${offset}/${generation}`)) {
            this.#problem(`${offset} died twice`);
          }
          this.stored.letters.add(`${offset}/${generation}`);
          break;
        }
        default:
          break;
      }
    }
    this.#dispatcher.committed(sealed.ticket);
    for (const [offset, fate] of this.#decided) {
      this.#fates[offset] = fate;
    }
    this.#decided = [];
  }

  /** What was decided and not stored has not happened. */
  #crash(): void {
    this.counts.crashes += 1;
    this.#open();
  }

  /** Back or forth, as `Seek` does: what is in flight is void, retries from there on are dropped. */
  #seek(): void {
    this.counts.seeks += 1;
    this.#commit();
    const { cursor, retries } = this.stored;
    const to = Math.max(0, Math.min(this.#messages, cursor.floor + this.#random.integer(-1_000, 1_000)));
    for (const offset of retries.keys()) {
      if (offset >= to) {
        retries.delete(offset);
      }
    }
    this.#fates.forEach((fate, offset) => {
      if (offset >= to) {
        this.#fates[offset] = FATE.none;
      } else if (fate === FATE.none && !retries.has(offset) && offset % FILTER_EVERY !== 0) {
        this.#fates[offset] = FATE.passed;
      }
    });
    this.stored.cursor = { floor: to, settled: [] };
    this.stored.generation += 1;
    this.#open();
  }

  #problem(text: string): void {
    if (this.problems.length < 5) {
      this.problems.push(text);
    }
  }

  #now(): { monotonicMs: number; storeMs: number } {
    return { monotonicMs: this.#nowMs, storeMs: this.#nowMs };
  }
}
