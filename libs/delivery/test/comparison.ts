import { deepStrictEqual as same } from 'node:assert/strict';

import { type SeededRandom, type Simulation } from '@hermes/testing';

import {
  type Credit,
  type DeliveryMode,
  type Dispatch,
  type GroupDispatcher,
  type InFlightPool,
  SETTLE,
  type SettleRequest,
} from '../src/index.js';
import * as delivery from '../src/index.js';
import { type DeliveryCode } from './delivery-world.js';
import { MODEL_ACK_DEADLINE_MS, MODEL_IN_FLIGHT_MAX, MODEL_RETRY, ReferenceModel } from './reference-model.js';

const EVENTS = 80;
const BYTES_MAX = 100_000;
const KINDS = [
  ...[SETTLE.ack, SETTLE.ack, SETTLE.ack, SETTLE.ack, SETTLE.nack, SETTLE.nack],
  ...[SETTLE.return, SETTLE.extend, SETTLE.deadLetter],
] as const;

/** Does everything to a dispatcher and to the model, and compares after each step. */
export class Comparison {
  readonly #note: (line: string) => void;
  readonly #random: SeededRandom;
  readonly #mode: DeliveryMode;
  readonly #model: ReferenceModel;
  readonly #dispatcher: GroupDispatcher;
  readonly #pool: InFlightPool;
  readonly #code: DeliveryCode;
  readonly #credits = new Map<number, Credit>();
  readonly #epochs = new Map<number, number>();
  readonly #receipts: SettleRequest[] = [];
  #nowMs = 1_000;
  #ids = 0;
  #deliveryNo = 0;
  #epoch = 0;
  #ticket: number | undefined;
  deliveries = 0;

  constructor(simulation: Simulation, mode: DeliveryMode, lanes: number, code: DeliveryCode = delivery) {
    this.#note = (line) => {
      simulation.note(line);
    };
    this.#random = simulation.random('history');
    this.#mode = mode;
    this.#code = code;
    this.#pool = new code.InFlightPool(MODEL_IN_FLIGHT_MAX);
    this.#model = new ReferenceModel(mode, lanes);
    this.#dispatcher = new code.GroupDispatcher({
      mode,
      settings: { retry: MODEL_RETRY, paused: false, deadLetterExpired: false },
      snapshot: {
        groupId: 1,
        consumerEpoch: 0,
        token: 0,
        generation: 0,
        lanes: Array.from({ length: lanes }, (_, lane) => ({ lane, floor: 0, settled: [] })),
        retries: [],
        inFlight: [],
      },
      redeliveredBelow: Array.from({ length: lanes }, () => 0),
      nextDeliveryNo: () => (this.#deliveryNo += 1),
      random: { next: () => 0 },
      inFlight: this.#pool.share(() => undefined),
    });
  }

  play(): void {
    for (let event = 0; event < EVENTS; event += 1) {
      this.#event();
      this.#dispatch();
      this.#compare();
    }
  }

  #event(): void {
    const draw = this.#random.next();
    if (draw < 0.2) {
      this.#publish();
    } else if (draw < 0.5) {
      this.#settle();
    } else if (draw < 0.65) {
      this.#takeChanges();
    } else if (draw < 0.78) {
      this.#commit();
    } else if (draw < 0.86) {
      this.#advance();
    } else if (draw < 0.91) {
      this.#subscribe();
    } else if (draw < 0.935) {
      this.#redrive();
    } else if (draw < 0.945) {
      this.#cutLog();
    } else {
      this.#disturb();
    }
  }

  #publish(): void {
    const lane = this.#random.integer(0, this.#model.ends.length - 1);
    const from = this.#model.ends[lane] as number;
    const keyHashes = Array.from({ length: this.#random.integer(1, 4) }, () => this.#random.integer(0, 3));
    let end = 0;
    const ends = keyHashes.map((keyHash) => {
      const bytes = this.#random.integer(1, 50);
      this.#model.publish(lane, keyHash, bytes);
      return (end += bytes);
    });
    const offsets = keyHashes.map((_, index) => from + index);
    this.#note(`publish ${lane}/${from}, keys ${keyHashes.join()}`);
    this.#dispatcher.feed(lane, { from, nextOffset: from + offsets.length, offsets, keyHashes, ends });
  }

  #settle(): void {
    const receipt = this.#receipts.at(-this.#random.integer(1, 8));
    if (receipt === undefined) {
      return;
    }
    const kind = this.#random.pick(KINDS);
    const delayMs = kind === SETTLE.nack && this.#random.chance(0.3) ? this.#random.integer(0, 90) : undefined;
    const deadlineMs = kind === SETTLE.extend && this.#random.chance(0.7) ? this.#random.between(1, 200) : undefined;
    const request: SettleRequest = { ...receipt, kind, delayMs, deadlineMs };
    this.#note(`settle ${kind} of ${request.lane}/${request.offset}/${request.deliveryNo}`);
    same(this.#dispatcher.settle(request, this.#now()), this.#model.settle(request, this.#nowMs));
  }

  #takeChanges(): void {
    const sealed = this.#dispatcher.takeChanges(this.#now());
    const expected = this.#model.seal();
    same(sealed?.ticket, expected?.ticket);
    same(sealed?.changes.map(({ kind }) => kind).sort(), expected?.changes.map(({ kind }) => kind).sort());
    for (const change of sealed?.changes ?? []) {
      if (change.kind === 'cursor') {
        same(change.cursor, this.#model.cursor(change.cursor.lane));
      }
    }
    this.#ticket = sealed?.ticket ?? this.#ticket;
  }

  #commit(): void {
    if (this.#ticket !== undefined) {
      this.#note(`commit ${this.#ticket}`);
      this.#dispatcher.committed(this.#ticket);
      this.#model.committed();
      this.#ticket = undefined;
    }
  }

  /** Time passes from timer to timer, as a shell would let it. */
  #advance(): void {
    this.#passTo(this.#nowMs + this.#random.between(0, 120));
  }

  #passTo(untilMs: number): void {
    for (;;) {
      const next = this.#model.nextTimerAtMs();
      this.#nowMs = Math.min(untilMs, Math.max(this.#nowMs, next));
      this.#note(`time is ${this.#nowMs}`);
      this.#dispatcher.tick(this.#now());
      this.#model.tick(this.#nowMs);
      if (this.#nowMs >= untilMs) {
        break;
      }
    }
  }

  #subscribe(): void {
    this.#ids += 1;
    this.#epoch = this.#mode === 'exclusive' ? Math.max(0, this.#epoch + this.#random.pick([-1, 0, 0, 1, 1])) : 0;
    const [id, consumerEpoch, messagesMax] = [this.#ids, this.#epoch, this.#random.integer(1, 6)];
    const credit = new this.#code.Credit(messagesMax, BYTES_MAX);
    this.#credits.set(id, credit);
    this.#epochs.set(id, consumerEpoch);
    this.#note(`subscribe ${id} with epoch ${consumerEpoch}`);
    const request = { id, consumer: `c${id}`, consumerEpoch, ackDeadlineMs: MODEL_ACK_DEADLINE_MS, credit };
    const outcome = this.#dispatcher.subscribe(request, this.#now());
    const retired = new Set([...this.#credits.keys()].filter((one) => this.#model.isRetired(one)));
    const fenced = this.#model.subscribe(
      { id, consumerEpoch, messagesMax, writable: true, onHold: false, retired: false },
      this.#nowMs,
    );
    // Of retired ones nobody need be told.
    const told = (ids: readonly number[] | undefined) => ids?.filter((one) => !retired.has(one));
    same(told(outcome.kind === 'accepted' ? outcome.fenced : undefined), told(fenced));
  }

  #redrive(): void {
    const { dead } = this.#model;
    if (dead.length > 0) {
      // What was delivered at one moment expires in the order of its offsets; this one comes later.
      this.#passTo(this.#nowMs + 1);
      const message = this.#random.pick(dead);
      const { lane, offset, keyHash } = message;
      this.#note(`redrive ${lane}/${offset}`);
      same(this.#dispatcher.isOver(lane, offset), true);
      this.#model.redrive(message, this.#nowMs);
      const fresh = { attempts: 0, strikes: 0, reason: '', generation: 0 };
      this.#dispatcher.redrive({ lane, offset, keyHash, dueAtMs: this.#nowMs, ...fresh });
    }
  }

  /** The log is about to lose some: retries keep their records, what else is unsettled is given up. */
  #cutLog(): void {
    const lane = this.#random.integer(0, this.#model.ends.length - 1);
    const below = this.#random.integer(0, this.#model.ends[lane] as number);
    this.#note(`cut ${lane} at ${below}`);
    const needed = this.#model.recordsNeeded(lane, below);
    same(this.#dispatcher.recordsNeeded(lane, below), needed);
    this.#dispatcher.recordsKept(lane, needed);
    this.#model.recordsKept(lane, needed);
    same(this.#dispatcher.skip(lane, below), this.#model.skip(lane, below));
  }

  #disturb(): void {
    const id = this.#random.integer(Math.max(1, this.#ids - 3), this.#ids + 1);
    const draw = this.#random.next();
    if (draw < 0.2) {
      this.#note(`retire ${id}`);
      this.#dispatcher.retire(id);
      this.#model.retire(id);
    } else if (draw < 0.4) {
      this.#note(`hold ${id}`);
      this.#dispatcher.hold(id);
      this.#model.hold(id);
    } else if (draw < 0.55) {
      const lostFrom = this.#deliveryNo - this.#random.integer(-1, 6);
      this.#note(`resume ${id} from ${lostFrom}`);
      this.#dispatcher.resume(id, lostFrom);
      this.#model.resume(id, lostFrom);
    } else if (draw < 0.75) {
      this.#note(`unsubscribe ${id}`);
      this.#dispatcher.unsubscribe(id, this.#now());
      this.#model.unsubscribe(id, this.#nowMs);
    } else if (draw < 0.88) {
      const writable = this.#random.chance(0.6);
      this.#dispatcher.setWritable(id, writable);
      this.#model.setWritable(id, writable);
    } else {
      this.#model.paused = this.#random.chance(0.4);
      this.#model.deadLetterExpired = this.#random.chance(0.5);
      const { paused, deadLetterExpired } = this.#model;
      this.#dispatcher.configure({ retry: MODEL_RETRY, paused, deadLetterExpired });
    }
  }

  #dispatch(): void {
    this.#model.tick(this.#nowMs);
    for (const { subscriptionId, dispatches } of this.#dispatcher.dispatch(this.#now())) {
      for (const dispatch of dispatches) {
        this.#receive(subscriptionId, dispatch);
      }
    }
    same(this.#model.overlooked(), undefined);
  }

  #receive(subscriptionId: number, dispatch: Dispatch): void {
    const { lane, offset, attempt, deliveryNo } = dispatch;
    this.#note(`deliver ${lane}/${offset}#${attempt}/${deliveryNo} to ${subscriptionId}`);
    // What keeps its record has no size before it is read.
    this.#dispatcher.resize(lane, offset, this.#model.bytesOf(lane, offset));
    same(this.#model.deliver(subscriptionId, dispatch, this.#nowMs), undefined);
    this.deliveries += 1;
    same(dispatch.mayExpire, this.#model.mayExpire(lane, offset));
    if (dispatch.mayExpire && this.#random.chance(0.04)) {
      this.#note(`expire ${lane}/${offset}`);
      this.#dispatcher.expire(lane, offset);
      this.#model.expire(lane, offset);
      return;
    }
    const consumerEpoch = this.#epochs.get(subscriptionId) ?? 0;
    this.#receipts.push({ kind: SETTLE.ack, lane, offset, attempt, deliveryNo, consumerEpoch });
  }

  #compare(): void {
    const { ends } = this.#model;
    same(
      this.#dispatcher.counts(ends),
      ends.map((_, lane) => this.#model.counts(lane)),
    );
    ends.forEach((end, lane) => {
      same(this.#dispatcher.lowestUnsettled(lane, end), this.#model.lowestUnsettled(lane));
      same(this.#dispatcher.lowestNeeded(lane, end), this.#model.lowestNeeded(lane));
    });
    const nextMs = this.#model.nextTimerAtMs() - this.#nowMs;
    same(this.#dispatcher.nextTimerMs(this.#now()) ?? Number.POSITIVE_INFINITY, Math.max(0, nextMs));
    same(this.#dispatcher.fencingToken, this.#mode === 'exclusive' ? this.#model.token : 0);
    same(this.#pool.used, this.#model.inFlight);
    for (const [id, { messages, bytes, messagesMax }] of this.#credits) {
      same({ messages, bytes }, this.#model.held(id));
      same(messages <= messagesMax, true);
    }
  }

  #now(): { monotonicMs: number; storeMs: number } {
    return { monotonicMs: this.#nowMs, storeMs: this.#nowMs };
  }
}
