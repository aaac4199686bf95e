import {
  type DeliveryMode,
  type Dispatch,
  type GroupChange,
  type LaneCounts,
  type LaneCursor,
  SETTLE,
  type SettleOutcome,
  type SettleRequest,
} from '../src/index.js';
import { ModelCursor } from './model-cursor.js';
import { answerOf, isCurrent, type ModelMessage, newMessage } from './model-message.js';

export interface ModelSubscription {
  readonly id: number;
  readonly consumerEpoch: number;
  readonly messagesMax: number;
  writable: boolean;
  /** Its consumer is out of reach. */
  onHold: boolean;
  /** It gets nothing more; what it holds stays in flight. */
  retired: boolean;
}

export const MODEL_RETRY = {
  kind: 'exponential' as const,
  initialMs: 30,
  maxMs: 200,
  multiplier: 2,
  jitter: 0,
  maxAttempts: 3,
};
export const MODEL_ACK_DEADLINE_MS = 80;
/** What may be in flight together; so few that a share of its own is never the lower bound. */
export const MODEL_IN_FLIGHT_MAX = 8;
const RETURN_MS = 100;

/**
 * What a dispatcher must do, said as plainly as possible: one list of messages, and every question answered by a walk
 * over all of it. One clock, everything fed at once. It does not say which of several deliverable messages
 * comes first, nor who gets it: the dispatcher's choice is judged, and then followed.
 */
export class ReferenceModel {
  readonly #mode: DeliveryMode;
  readonly #lanes: readonly ModelMessage[][];
  readonly #subscriptions = new Map<number, ModelSubscription>();
  #ticket = 1;
  #turns = 0;
  #sealed = 0;
  readonly #cursors: readonly ModelCursor[];
  #stored = { consumerEpoch: 0, token: 0 };
  #claim: { consumerEpoch: number; token: number } | undefined;
  #sealedClaim: { consumerEpoch: number; token: number } | undefined;
  readonly #skipped: number[] = [];
  #isOurs = false;
  paused = false;
  deadLetterExpired = false;

  constructor(mode: DeliveryMode, lanes: number) {
    this.#mode = mode;
    this.#lanes = Array.from({ length: lanes }, () => []);
    this.#cursors = Array.from({ length: lanes }, () => new ModelCursor());
  }

  /** Where each lane's log ends. */
  get ends(): number[] {
    return this.#lanes.map(({ length }) => length);
  }

  publish(lane: number, keyHash: number, bytes: number): void {
    const messages = this.#lane(lane);
    this.#turns += 1;
    messages.push(newMessage({ lane, offset: messages.length, keyHash, bytes, turn: this.#turns }));
  }

  bytesOf(lane: number, offset: number): number {
    return this.#lane(lane)[offset]?.bytes ?? 0;
  }

  /** The dead letters, which may be redriven. */
  get dead(): ModelMessage[] {
    return this.#messages.filter(({ state, fate }) => state === 'gone' && fate !== 'done');
  }

  /** A dead letter comes back, behind what its key has. */
  redrive(message: ModelMessage, nowMs: number): void {
    this.#turns += 1;
    const { lane, offset, keyHash, bytes, deliveryNo } = message;
    Object.assign(message, newMessage({ lane, offset, keyHash, bytes, turn: this.#turns }));
    Object.assign(message, { state: 'waiting', stored: true, dueAtMs: nowMs, deliveryNo, hasRecord: true });
  }

  /** Gives up what the log alone keeps below an offset; how much. */
  skip(lane: number, below: number): number {
    const lost = this.#lane(lane)
      .slice(0, below)
      .filter(({ state, stored }) => !stored && state !== 'settling' && state !== 'gone');
    for (const message of lost) {
      this.#decide(message, 'done');
    }
    this.#skipped[lane] = (this.#skipped[lane] ?? 0) + lost.length;
    return lost.length;
  }

  /** Retries whose records only the log keeps. */
  recordsNeeded(lane: number, below: number): number[] {
    const needed = this.#lane(lane).filter(({ state, stored, hasRecord }) => stored && !hasRecord && state !== 'gone');
    return needed.map(({ offset }) => offset).filter((offset) => offset < below);
  }

  recordsKept(lane: number, offsets: readonly number[]): void {
    for (const offset of offsets) {
      (this.#lane(lane)[offset] as ModelMessage).hasRecord = true;
    }
  }

  /** What was just given out is expired, and goes to nobody. */
  expire(lane: number, offset: number): void {
    const message = this.#lane(lane)[offset] as ModelMessage;
    this.#decide(message, this.deadLetterExpired ? 'rejected' : 'done');
  }

  mayExpire(lane: number, offset: number): boolean {
    return this.#lane(lane)[offset]?.hasRecord === false;
  }

  /** Gives those that it fences; undefined if it is refused itself. */
  subscribe(subscription: ModelSubscription, nowMs: number): number[] | undefined {
    const newest = this.#claim ?? this.#sealedClaim ?? this.#stored;
    const isRival = (one: ModelSubscription): boolean =>
      !one.retired || one.consumerEpoch !== subscription.consumerEpoch;
    const rivals = this.#mode === 'exclusive' ? [...this.#subscriptions.values()].filter(isRival) : [];
    const fenced = rivals.map(({ id }) => id);
    if (this.#mode === 'exclusive') {
      if (subscription.consumerEpoch < newest.consumerEpoch) {
        return undefined;
      }
      for (const id of fenced) {
        this.unsubscribe(id, nowMs);
      }
      if (subscription.consumerEpoch > newest.consumerEpoch || (newest === this.#stored && !this.#isOurs)) {
        this.#claim = { consumerEpoch: subscription.consumerEpoch, token: newest.token + 1 };
      }
    }
    this.#subscriptions.set(subscription.id, subscription);
    return fenced;
  }

  hold(id: number): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription !== undefined) {
      subscription.onHold = true;
    }
  }

  /** What it holds from this delivery on comes again. */
  resume(id: number, lostFrom: number): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription !== undefined) {
      subscription.onHold = false;
      for (const message of this.#inFlightOf(id)) {
        message.lost = message.deliveryNo >= lostFrom;
      }
    }
  }

  unsubscribe(id: number, nowMs: number): void {
    const isLost = this.#subscriptions.get(id)?.onHold === true;
    this.#subscriptions.delete(id);
    if (isLost) {
      this.#lose(this.#inFlightOf(id), nowMs);
      return;
    }
    for (const message of this.#inFlightOf(id)) {
      // What the same holder has pulled behind it comes again after it.
      this.#void(message);
      this.#free(message, 'ready');
    }
  }

  /** Their consumer was lost: they come again with a strike, what it held alone has failed. */
  #lose(held: readonly ModelMessage[], nowMs: number): void {
    for (const message of held) {
      this.#free(message, 'inFlight');
    }
    for (const message of held) {
      this.#void(message);
      if (message.strikes >= 2) {
        this.#fail(message, nowMs, undefined);
      } else {
        message.strikes += 1;
        message.dueAtMs = nowMs;
        this.#decide(message, 'struck');
      }
    }
  }

  retire(id: number): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription !== undefined) {
      subscription.retired = true;
    }
  }

  isRetired(id: number): boolean {
    return this.#subscriptions.get(id)?.retired === true;
  }

  setWritable(id: number, writable: boolean): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription !== undefined) {
      subscription.writable = writable;
    }
  }

  /** Undefined if the delivery is a lawful one, else what is wrong with it. */
  deliver(subscriptionId: number, dispatch: Dispatch, nowMs: number): string | undefined {
    const message = this.#lane(dispatch.lane)[dispatch.offset];
    const subscription = this.#subscriptions.get(subscriptionId);
    if (message?.lost === true) {
      return this.#deliverAgain(message, subscriptionId, dispatch, nowMs);
    }
    if (message === undefined || subscription === undefined || !this.#mayTake(subscription, isSuspect(message))) {
      return 'nobody may take it';
    }
    if (!this.#mayCome(message)) {
      return `it may not come: it is ${message.state}, or not its turn`;
    }
    if (dispatch.attempt !== message.attempts + 1 || dispatch.redelivered !== message.deliveryNo > 0) {
      return 'wrong attempt or redelivered';
    }
    message.state = 'inFlight';
    message.deliveryNo = dispatch.deliveryNo;
    message.failedNo = 0;
    message.deadlineMs = nowMs + MODEL_ACK_DEADLINE_MS;
    message.subscriptionId = subscriptionId;
    return undefined;
  }

  /** The same delivery once more, in the order in which they were made. */
  #deliverAgain(message: ModelMessage, id: number, dispatch: Dispatch, nowMs: number): string | undefined {
    const { subscriptionId, attempts, deliveryNo } = message;
    if (subscriptionId !== id || !this.#isReachable(id)) {
      return 'it is not theirs';
    }
    if (dispatch.attempt !== attempts + 1 || dispatch.deliveryNo !== deliveryNo || !dispatch.redelivered) {
      return 'it is not the same delivery';
    }
    if (this.#inFlightOf(id).some((other) => other.lost && other.deliveryNo < deliveryNo)) {
      return 'it overtakes an earlier one';
    }
    message.lost = false;
    message.deadlineMs = nowMs + MODEL_ACK_DEADLINE_MS;
    return undefined;
  }

  /** A message that should have been delivered by now, if there is one. */
  overlooked(): ModelMessage | undefined {
    const lost = this.#messages.find(({ lost, subscriptionId }) => lost && this.#isReachable(subscriptionId));
    return lost ?? this.#overlookedNew();
  }

  #overlookedNew(): ModelMessage | undefined {
    const due = this.#messages.filter((message) => this.#mayCome(message));
    const takers = (alone: boolean): number =>
      [...this.#subscriptions.values()].filter((subscription) => this.#mayTake(subscription, alone)).length;
    // One subscription may be kept empty for what goes alone.
    const reserved = due.some(isSuspect) ? 1 : 0;
    // What is being written may hold an EXCLUSIVE lane up for that long.
    const isHeld = this.#mode === 'exclusive' && this.#messages.some(({ state }) => state === 'settling');
    const suspect = takers(true) > 0;
    const other = takers(false) > reserved;
    return isHeld ? undefined : due.find((message) => (isSuspect(message) ? suspect : other));
  }

  settle(request: SettleRequest, nowMs: number): SettleOutcome {
    const newest = this.#claim ?? this.#sealedClaim ?? this.#stored;
    if (this.#mode === 'exclusive' && request.consumerEpoch < newest.consumerEpoch) {
      return { kind: 'fenced', consumerEpoch: newest.consumerEpoch };
    }
    const message = this.#lane(request.lane)[request.offset] as ModelMessage;
    return isCurrent(message, request) ? this.#apply(message, request, nowMs) : answerOf(message, request);
  }

  tick(nowMs: number): void {
    for (const message of this.#messages) {
      if (message.state === 'inFlight' && message.deadlineMs <= nowMs) {
        this.#fail(message, nowMs, undefined);
      }
      if (message.state === 'waiting' && message.dueAtMs <= nowMs) {
        message.state = 'ready';
      }
    }
  }

  nextTimerAtMs(): number {
    const times = this.#messages.map(({ state, deadlineMs, dueAtMs }) =>
      state === 'inFlight' ? deadlineMs : state === 'waiting' ? dueAtMs : Number.POSITIVE_INFINITY,
    );
    return Math.min(Number.POSITIVE_INFINITY, ...times);
  }

  /** All that the transaction must hold, by kind; undefined if there must be none. */
  seal(): { ticket: number; changes: Pick<GroupChange, 'kind'>[] } | undefined {
    const ticket = this.#ticket;
    const decided = this.#messages.filter((message) => message.state === 'settling' && message.ticket === ticket);
    if (this.#sealed !== 0 || (decided.length === 0 && this.#claim === undefined)) {
      return undefined;
    }
    const changes: Pick<GroupChange, 'kind'>[] = decided.flatMap(({ stored, fate }) => [
      ...(stored && !isRetry(fate) ? [{ kind: 'retryDone' } as const] : []),
      ...(fate === 'dead' || fate === 'rejected' ? [{ kind: 'deadLetter' } as const] : []),
      ...(isRetry(fate) ? [{ kind: 'retry' } as const] : []),
    ]);
    decided.forEach(({ lane, offset }) => {
      this.#cursors[lane]?.add(offset);
    });
    const touched = new Set(decided.flatMap(({ lane, stored }) => (stored ? [] : [lane])));
    changes.push(...Array.from(touched, () => ({ kind: 'cursor' }) as const));
    changes.push(...(this.#claim === undefined ? [] : [{ kind: 'holder' } as const]));
    this.#sealed = ticket;
    this.#ticket += 1;
    this.#sealedClaim = this.#claim;
    this.#claim = undefined;
    return { ticket, changes };
  }

  committed(): void {
    for (const message of this.#messages) {
      if (message.state === 'settling' && message.ticket === this.#sealed) {
        this.#free(message, isRetry(message.fate) ? 'waiting' : 'gone');
        message.stored = isRetry(message.fate);
      }
    }
    if (this.#sealedClaim !== undefined) {
      this.#stored = this.#sealedClaim;
      this.#isOurs = true;
      this.#sealedClaim = undefined;
    }
    this.#sealed = 0;
  }

  cursor(lane: number): LaneCursor {
    const { floor, settled } = (this.#cursors[lane] as ModelCursor).read(this.#lane(lane).length);
    return { lane, floor, settled, skipped: this.#skipped[lane] ?? 0 };
  }

  counts(lane: number): LaneCounts {
    const count = (holds: (message: ModelMessage) => boolean): number => this.#lane(lane).filter(holds).length;
    return {
      lane,
      floor: this.cursor(lane).floor,
      unsettled: count(({ state }) => state !== 'gone'),
      inFlight: count(({ state }) => state === 'inFlight'),
      retrying: count(({ state, stored }) => stored && state !== 'inFlight' && state !== 'gone'),
      skipped: this.#skipped[lane] ?? 0,
    };
  }

  lowestUnsettled(lane: number): number | undefined {
    return this.#lane(lane).find(({ state }) => state !== 'gone')?.offset;
  }

  lowestNeeded(lane: number): number | undefined {
    return this.#lane(lane).find(({ state, hasRecord }) => state !== 'gone' && !hasRecord)?.offset;
  }

  get token(): number {
    return this.#stored.token;
  }

  /** Messages and bytes that a subscription's credit stands for. */
  held(id: number): { messages: number; bytes: number } {
    const held = this.#messages.filter(({ subscriptionId }) => subscriptionId === id);
    return { messages: held.length, bytes: held.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Messages in flight, and those whose settle is not durable. */
  get inFlight(): number {
    return this.#messages.filter(({ subscriptionId }) => subscriptionId !== undefined).length;
  }

  get #messages(): ModelMessage[] {
    return this.#lanes.flat();
  }

  #lane(lane: number): ModelMessage[] {
    return this.#lanes[lane] as ModelMessage[];
  }

  #inFlightOf(id: number): ModelMessage[] {
    return this.#messages.filter(({ state, subscriptionId }) => state === 'inFlight' && subscriptionId === id);
  }

  #isReachable(id: number | undefined): boolean {
    const subscription = this.#subscriptions.get(id ?? 0);
    return subscription?.writable === true && !subscription.onHold;
  }

  #mayTake({ id, retired, consumerEpoch, messagesMax }: ModelSubscription, alone: boolean): boolean {
    const isAdmitted = this.#mode !== 'exclusive' || (this.#isOurs && consumerEpoch === this.#stored.consumerEpoch);
    const hasRoom = this.inFlight < MODEL_IN_FLIGHT_MAX && this.held(id).messages < messagesMax;
    const held = this.#messages.filter(({ subscriptionId }) => subscriptionId === id);
    const isAloneIfNeeded = alone ? held.length === 0 : !held.some(isSuspect);
    return !this.paused && this.#isReachable(id) && !retired && isAdmitted && hasRoom && isAloneIfNeeded;
  }

  #mayCome(message: ModelMessage): boolean {
    if (message.state !== 'ready') {
      return false;
    }
    const before = this.#lane(message.lane)
      .slice(0, message.offset)
      .filter(({ state }) => state !== 'gone');
    const isSameKey = ({ keyHash }: ModelMessage): boolean => keyHash === message.keyHash;
    const isBeforeOfKey = (other: ModelMessage): boolean =>
      isSameKey(other) && other.lane === message.lane && other.state !== 'gone' && other.turn < message.turn;
    const isInFlightElsewhere = (other: ModelMessage): boolean =>
      isSameKey(other) && other.lane !== message.lane && other.subscriptionId !== undefined;
    switch (this.#mode) {
      case 'shared':
        return true;
      case 'keyOrdered':
        return (
          message.keyHash === 0 || !this.#messages.some((other) => isBeforeOfKey(other) || isInFlightElsewhere(other))
        );
      case 'exclusive':
        return before.every(
          ({ state, fate, attempts }) =>
            attempts === 0 &&
            (state === 'inFlight' || (state === 'settling' && (fate === 'done' || fate === 'rejected'))),
        );
    }
  }

  #apply(message: ModelMessage, request: SettleRequest, nowMs: number): SettleOutcome {
    switch (request.kind) {
      case SETTLE.ack:
        return this.#decide(message, 'done');
      case SETTLE.nack:
        return this.#fail(message, nowMs, request.delayMs);
      case SETTLE.return:
        this.#void(message);
        this.#free(message, 'waiting');
        message.dueAtMs = nowMs + RETURN_MS;
        return { kind: 'done' };
      case SETTLE.extend:
        message.deadlineMs = nowMs + (request.deadlineMs ?? MODEL_ACK_DEADLINE_MS);
        return { kind: 'done' };
      case SETTLE.deadLetter:
        message.failedNo = message.deliveryNo;
        return this.#decide(message, 'rejected');
    }
  }

  #fail(message: ModelMessage, nowMs: number, delayMs: number | undefined): SettleOutcome {
    message.attempts += 1;
    message.failedNo = message.deliveryNo;
    this.#void(message);
    if (message.attempts >= MODEL_RETRY.maxAttempts) {
      return this.#decide(message, 'dead');
    }
    const { initialMs, multiplier, maxMs } = MODEL_RETRY;
    const policyMs = Math.min(maxMs, initialMs * multiplier ** (message.attempts - 1));
    message.dueAtMs = Math.ceil(nowMs + (delayMs ?? policyMs));
    return this.#decide(message, 'retry');
  }

  #decide(message: ModelMessage, fate: NonNullable<ModelMessage['fate']>): SettleOutcome {
    message.state = 'settling';
    message.lost = false;
    message.fate = fate;
    message.ticket = this.#ticket;
    return { kind: 'pending', ticket: this.#ticket };
  }

  /** EXCLUSIVE: what is in flight above comes again. */
  #void({ lane, offset }: ModelMessage): void {
    if (this.#mode === 'exclusive') {
      for (const above of this.#lane(lane).slice(offset + 1)) {
        if (above.state === 'inFlight') {
          this.#free(above, 'ready');
        }
      }
    }
  }

  #free(message: ModelMessage, state: ModelMessage['state']): void {
    message.state = state;
    message.lost = false;
    message.subscriptionId = undefined;
  }
}

const isSuspect = ({ strikes }: ModelMessage): boolean => strikes >= 2;

const isRetry = (fate: ModelMessage['fate']): boolean => fate === 'retry' || fate === 'struck';
