import { type SeededRandom, type Simulation } from '@hermes/testing';

import {
  Credit,
  type DeliveryMode,
  type Dispatch,
  type GroupChange,
  GroupDispatcher,
  type GroupSnapshot,
  type HandedOver,
  InFlightPool,
  type Now,
  type SealedChanges,
  SETTLE,
  type SettleRequest,
} from '../src/index.js';
import type * as library from '../src/index.js';
import { check } from './check.js';
import { COMMIT_MS_MAX, type Delivery, DeliveryJudge, POLICY, STORE_AHEAD_MS } from './delivery-judge.js';
import { StoredGroup } from './stored-group.js';

/** The library that a world plays: the real one, or one with a bug. */
export type DeliveryCode = Pick<typeof library, 'Credit' | 'GroupDispatcher' | 'InFlightPool'>;

/** Wrong behaviour that a test plants in the dispatcher, or between it, its storage and its callers. */
export interface Bugs {
  /** The library with a bug in its code. */
  readonly code?: DeliveryCode;
  /** Changes what is written. */
  readonly changes?: (changes: readonly GroupChange[]) => readonly GroupChange[];
  /** Changes a receipt before it is judged. */
  readonly settle?: (request: SettleRequest, latest: Dispatch) => SettleRequest;
  /** Changes what a new owner loads. */
  readonly load?: (snapshot: GroupSnapshot) => GroupSnapshot;
  /** Changes what is handed over. */
  readonly handOver?: (handedOver: readonly HandedOver[]) => readonly HandedOver[];
  /** Changes the hash of a key on its way in. */
  readonly keyHash?: (keyHash: number) => number;
  /** Runs the dispatcher in another mode than the one promised. */
  readonly mode?: DeliveryMode;
  /** Changes a dispatch on its way to the consumer. */
  readonly dispatch?: (dispatch: Dispatch) => Dispatch;
  /** Answers a settle when it is decided, not when it is stored. */
  readonly answersEarly?: boolean;
  /** Added to the store's clock. */
  readonly storeSkewMs?: number;
}

const LOG_RECORDS = 40;
const ACK_DEADLINE_MS = 60;
/** Far more than a pump has to do. */
const PUMP_TURNS_MAX = 1_000;
/** Less than two subscriptions may hold. */
const POOL_MESSAGES = 7;
const LIMITS = { windowRecordsMax: 12, rangesMax: 4, retriesMax: 2_000 };

/**
 * A group in one partition: a log, a store that writes batches late, an owner that crashes and stalls, consumers that
 * settle, repeat, forget and vanish. A judge sees what was delivered, answered and stored.
 */
export class DeliveryWorld {
  readonly #simulation: Simulation;
  readonly #mode: DeliveryMode;
  readonly #bugs: Bugs;
  readonly #code: DeliveryCode;
  readonly #random: SeededRandom;
  readonly #stored = new StoredGroup();
  readonly #judge: DeliveryJudge;
  #dispatcher!: GroupDispatcher;
  #pool!: InFlightPool;
  #owner = 0;
  #deliveryNo = 0;
  #subscriptions = new Map<number, number>();
  #subscriptionId = 0;
  #consumerEpoch = 0;
  #held: Delivery[] = [];
  #past: Delivery[] = [];
  #waiting: { readonly ticket: number; readonly run: () => void }[] = [];
  #cancelTimer = (): void => undefined;
  #sealed: SealedChanges | undefined;
  #quiet = false;
  #healed = false;
  deliveries = 0;

  constructor(simulation: Simulation, mode: DeliveryMode, bugs: Bugs = {}) {
    this.#simulation = simulation;
    this.#mode = mode;
    this.#judge = new DeliveryJudge(mode, this.#stored);
    this.#bugs = bugs;
    this.#code = bugs.code ?? { Credit, GroupDispatcher, InFlightPool };
    this.#random = simulation.random('world');
    this.#open();
  }

  /** Plays faults, then heals, and checks that everything came to an end. */
  play(): void {
    for (let step = 0; step < 120; step += 1) {
      this.#simulation.after(this.#random.between(0, 1_500), 'event', () => {
        this.#event();
      });
    }
    this.#simulation.run(1_500);
    this.#healed = true;
    while (this.#judge.end < LOG_RECORDS) {
      this.#publish();
    }
    this.#join();
    this.#poll();
    this.#simulation.run(12_000);
    this.#judge.ended();
    const [counts] = this.#dispatcher.counts([this.#judge.end]);
    check(counts?.unsettled === 0 && counts.inFlight === 0 && counts.retrying === 0, 'counts are not zero at the end');
    check(counts.floor === this.#judge.end, 'the floor is not the end of the log');
    check(this.#dispatcher.gauges.windowRecords === 0 && this.#dispatcher.gauges.windowBytes === 0, 'window leaks');
    check(this.#pool.used === 0 && this.#pool.waiting === 0, 'room leaks');
  }

  #poll(): void {
    this.#pump();
    for (const delivery of this.#held.splice(0)) {
      this.#settle(delivery, { kind: SETTLE.ack });
    }
    this.#pump();
    if (!this.#judge.isAllSettled && this.#simulation.nowMs < 11_000) {
      this.#simulation.after(25, 'poll', () => {
        this.#poll();
      });
    }
  }

  #event(): void {
    const draw = this.#random.next();
    if (draw < 0.3) {
      this.#publish();
    } else if (draw < 0.62) {
      this.#consume();
    } else if (draw < 0.72) {
      this.#repeat();
    } else if (draw < 0.8) {
      this.#join();
    } else if (draw < 0.86) {
      this.#leave();
    } else if (draw < 0.88) {
      this.#open();
    } else if (draw < 0.91) {
      this.#move();
    } else if (draw < 0.95) {
      this.#quiet = !this.#quiet;
    }
    this.#pump();
  }

  #now(): Now {
    const storeMs = this.#simulation.nowMs + STORE_AHEAD_MS + (this.#bugs.storeSkewMs ?? 0);
    return { monotonicMs: this.#simulation.nowMs, storeMs };
  }

  #publish(): void {
    if (this.#judge.end < LOG_RECORDS) {
      this.#judge.publish(this.#random.integer(0, 3));
    }
  }

  /** A new owner: what the old one knew and had not stored is gone. */
  #open(handedOver: readonly HandedOver[] = []): void {
    this.#owner += 1;
    for (const id of [...this.#subscriptions.keys()].filter((one) => !handedOver.some((each) => each.id === one))) {
      this.#judge.givenUp(id);
      this.#subscriptions.delete(id);
    }
    this.#waiting = [];
    this.#sealed = undefined;
    const snapshot = this.#stored.snapshot();
    const owner = this.#owner;
    this.#pool = new this.#code.InFlightPool(POOL_MESSAGES);
    this.#dispatcher = new this.#code.GroupDispatcher({
      mode: this.#bugs.mode ?? this.#mode,
      settings: { retry: POLICY, paused: false, deadLetterExpired: false },
      snapshot: this.#bugs.load?.(snapshot) ?? snapshot,
      redeliveredBelow: [this.#judge.end],
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: this.#random,
      inFlight: this.#pool.share(() => {
        this.#simulation.after(0, 'room', () => {
          if (owner === this.#owner) {
            this.#pump();
          }
        });
      }),
      handedOver: { subscriptions: handedOver, now: this.#now() },
      limits: LIMITS,
    });
    this.#judge.written(this.#simulation.nowMs);
  }

  /** The owner stores all that was decided, and hands over what is in flight; some consumers come for theirs. */
  #move(): void {
    this.#writeAll();
    const held = this.#dispatcher.holdings(this.#now());
    const handedOver = held.map(({ subscriptionId, consumer, deliveries }) => ({
      ...{ id: subscriptionId, name: `s${subscriptionId}`, consumer },
      deliveries: deliveries.map((delivery) => ({ ...delivery, batch: 1 })),
    }));
    this.#simulation.note(`${held.length} consumers are handed over`);
    this.#open(this.#bugs.handOver?.(handedOver) ?? handedOver);
    while (this.#feed()) {
      // What was handed over is in flight once it is known.
    }
    for (const { id } of handedOver) {
      const owner = this.#owner;
      this.#simulation.after(this.#random.between(0, 2 * ACK_DEADLINE_MS), 'moved', () => {
        if (owner === this.#owner && this.#subscriptions.has(id)) {
          this.#comeAfter(id);
          this.#pump();
        }
      });
    }
  }

  /** A consumer comes to the new owner for what it holds, or does not. */
  #comeAfter(id: number): void {
    const epoch = this.#subscriptions.get(id);
    if ((this.#mode === 'exclusive' && epoch !== this.#consumerEpoch) || this.#random.chance(0.4)) {
      this.#subscriptions.delete(id);
      this.#dispatcher.disinherit(id);
      this.#judge.givenUp(id);
      return;
    }
    this.#join(epoch);
    const lostFrom = this.#deliveryNo - this.#random.integer(-1, 6);
    this.#simulation.note(`${id} is ${this.#subscriptionId} now, and back from ${lostFrom}`);
    this.#dispatcher.inherit(id, this.#subscriptionId, lostFrom);
    this.#subscriptions.delete(id);
    this.#judge.inherited(id, this.#subscriptionId);
    this.#held = this.#held.filter((one) => one.subscriptionId !== id || one.deliveryNo < lostFrom);
  }

  #writeAll(): void {
    if (this.#sealed !== undefined) {
      this.#written(this.#sealed);
    }
    for (let sealed = this.#seal(); sealed !== undefined; sealed = this.#seal()) {
      this.#written(sealed);
    }
  }

  #join(consumerEpoch = this.#consumerEpoch + 1): void {
    this.#subscriptionId += 1;
    this.#consumerEpoch = Math.max(this.#consumerEpoch, consumerEpoch);
    const id = this.#subscriptionId;
    const credit = new this.#code.Credit(this.#random.integer(1, 8), 1_000);
    const request = { id, consumer: `c${id}`, consumerEpoch, ackDeadlineMs: ACK_DEADLINE_MS, credit };
    const outcome = this.#dispatcher.subscribe(request, this.#now());
    check(outcome.kind === 'accepted', 'the newest holder was refused');
    this.#subscriptions.set(id, consumerEpoch);
    for (const fenced of outcome.fenced) {
      this.#subscriptions.delete(fenced);
      this.#judge.givenUp(fenced);
    }
  }

  #leave(): void {
    const ids = [...this.#subscriptions.keys()];
    const id = ids.length === 0 ? undefined : this.#random.pick(ids);
    if (id !== undefined && this.#random.chance(0.6)) {
      this.#breakOff(id);
    } else if (id !== undefined) {
      this.#unsubscribe(id);
    }
  }

  #unsubscribe(id: number): void {
    this.#subscriptions.delete(id);
    this.#dispatcher.unsubscribe(id, this.#now());
    this.#judge.givenUp(id);
  }

  /** A connection breaks, and its last deliveries did not arrive; the consumer comes back for them, or does not. */
  #breakOff(id: number): void {
    this.#simulation.note(`${id} is out of reach`);
    this.#dispatcher.hold(id);
    const owner = this.#owner;
    this.#simulation.after(this.#random.between(0, 2 * ACK_DEADLINE_MS), 'broken', () => {
      if (owner !== this.#owner || !this.#subscriptions.has(id)) {
        return;
      }
      if (this.#random.chance(0.4)) {
        this.#unsubscribe(id);
      } else {
        const lostFrom = this.#deliveryNo - this.#random.integer(-1, 6);
        this.#simulation.note(`${id} is back from ${lostFrom}`);
        this.#held = this.#held.filter((one) => one.subscriptionId !== id || one.deliveryNo < lostFrom);
        this.#dispatcher.resume(id, lostFrom);
      }
      this.#pump();
    });
  }

  #consume(): void {
    const index = this.#random.integer(0, Math.max(0, this.#held.length - 1));
    const [delivery] = this.#held.splice(index, 1);
    if (delivery === undefined) {
      return;
    }
    const draw = this.#random.next();
    const kind = draw < 0.6 ? SETTLE.ack : draw < 0.85 ? SETTLE.nack : draw < 0.93 ? SETTLE.return : SETTLE.extend;
    this.#settle(delivery, kind === SETTLE.extend ? { kind, deadlineMs: 150 } : { kind });
    if (kind === SETTLE.extend) {
      this.#held.push(delivery);
    }
  }

  /** A late or repeated settle of any receipt ever given. */
  #repeat(): void {
    if (this.#past.length > 0) {
      this.#settle(this.#random.pick(this.#past), { kind: this.#random.chance(0.6) ? SETTLE.ack : SETTLE.nack });
    }
  }

  #settle(delivery: Delivery, what: Pick<SettleRequest, 'kind' | 'deadlineMs'>): void {
    const { lane, offset, attempt, deliveryNo, consumerEpoch } = delivery;
    const asked: SettleRequest = { lane, offset, attempt, deliveryNo, consumerEpoch, ...what };
    const request = this.#bugs.settle?.(asked, this.#judge.current(offset) ?? delivery) ?? asked;
    const outcome = this.#dispatcher.settle(request, this.#now());
    this.#simulation.note(`settle ${what.kind} of ${offset}#${attempt}/${deliveryNo}: ${outcome.kind}`);
    this.#judge.settled(delivery, what.kind, outcome, { owner: this.#owner, newestEpoch: this.#consumerEpoch });
    if (outcome.kind === 'pending' && what.kind === SETTLE.ack) {
      const answer = (): void => {
        this.#judge.answered(offset);
      };
      if (this.#bugs.answersEarly === true) {
        answer();
      } else {
        this.#waiting.push({ ticket: outcome.ticket, run: answer });
      }
    }
  }

  #pump(): void {
    let turns = 0;
    for (let moved = true; moved;) {
      check(++turns < PUMP_TURNS_MAX, 'it never comes to rest');
      moved = this.#feed();
      for (const { subscriptionId, dispatches } of this.#dispatcher.dispatch(this.#now())) {
        moved = true;
        check(this.#subscriptions.has(subscriptionId), 'a delivery to nobody');
        for (const dispatch of dispatches) {
          this.#receive(subscriptionId, this.#bugs.dispatch?.(dispatch) ?? dispatch);
        }
      }
    }
    this.#commit();
    this.#cancelTimer();
    const waitMs = this.#dispatcher.nextTimerMs(this.#now());
    const owner = this.#owner;
    if (waitMs !== undefined && !(this.#quiet && !this.#healed)) {
      this.#cancelTimer = this.#simulation.after(waitMs + 0.01, 'timer', () => {
        if (owner === this.#owner) {
          this.#dispatcher.tick(this.#now());
          this.#pump();
        }
      });
    }
  }

  #feed(): boolean {
    const { end } = this.#judge;
    const [wanted] = this.#dispatcher.wanted(this.#now());
    if (wanted === undefined || wanted.from >= end) {
      return false;
    }
    const offsets = Array.from({ length: end - wanted.from }, (_, index) => wanted.from + index);
    const keyHashes = offsets.map((offset) => {
      const keyHash = this.#judge.keyHash(offset);
      return this.#bugs.keyHash?.(keyHash) ?? keyHash;
    });
    const ends = offsets.map((_, index) => (index + 1) * 10);
    return this.#dispatcher.feed(0, { from: wanted.from, nextOffset: end, offsets, keyHashes, ends }) > wanted.from;
  }

  #receive(subscriptionId: number, dispatch: Dispatch): void {
    const { offset, attempt, deliveryNo } = dispatch;
    this.deliveries += 1;
    this.#simulation.note(`deliver ${offset}#${attempt}/${deliveryNo} key ${this.#judge.keyHash(offset)}`);
    const consumerEpoch = this.#subscriptions.get(subscriptionId) ?? 0;
    const delivery = { ...dispatch, consumerEpoch, subscriptionId };
    this.#judge.received(delivery, this.#simulation.nowMs);
    this.#held.push(delivery);
    this.#past.push(delivery);
  }

  #commit(): void {
    const sealed = this.#sealed === undefined ? this.#seal() : undefined;
    if (sealed === undefined) {
      return;
    }
    this.#simulation.after(this.#random.between(0.5, COMMIT_MS_MAX), `commit ${sealed.ticket}`, () => {
      if (this.#sealed === sealed) {
        this.#written(sealed);
        this.#pump();
      }
    });
  }

  #seal(): SealedChanges | undefined {
    this.#sealed = this.#dispatcher.takeChanges(this.#now());
    return this.#sealed;
  }

  #written(sealed: SealedChanges): void {
    this.#sealed = undefined;
    for (const change of this.#bugs.changes?.(sealed.changes) ?? sealed.changes) {
      this.#stored.write(change);
    }
    this.#judge.written(this.#simulation.nowMs);
    this.#dispatcher.committed(sealed.ticket);
    const answered = this.#waiting.filter(({ ticket }) => ticket <= sealed.ticket);
    this.#waiting = this.#waiting.filter(({ ticket }) => ticket > sealed.ticket);
    answered.forEach(({ run }) => {
      run();
    });
  }
}
