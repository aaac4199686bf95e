import { type Entry, ENTRY_STATE, FATE } from './entry.js';

/** What a consumer decided. */
export const SETTLE = { ack: 1, nack: 2, return: 3, extend: 4, deadLetter: 5 } as const;
export type SettleKind = (typeof SETTLE)[keyof typeof SETTLE];

/** A settle of one delivery; the receipt's fields, verified as genuine by the caller. */
export interface SettleRequest {
  readonly kind: SettleKind;
  readonly lane: number;
  readonly offset: number;
  readonly attempt: number;
  readonly deliveryNo: number;
  /** EXCLUSIVE: the consumer epoch of the receipt. */
  readonly consumerEpoch: number;
  /** NACK: wait so long; unset: by policy. */
  readonly delayMs?: number | undefined;
  readonly reason?: string | undefined;
  /** EXTEND: time from now; unset: the subscription's. */
  readonly deadlineMs?: number | undefined;
}

/** What became of a settle. */
export type SettleOutcome =
  /** Nothing had to be stored: answer now. */
  | { readonly kind: 'done' }
  /** Answer when the batch with this ticket is committed. */
  | { readonly kind: 'pending'; readonly ticket: number }
  /** The offset was settled before; OK unless it is a dead letter, which storage knows. */
  | { readonly kind: 'settledBefore' }
  /** The receipt is not (or no longer) in flight; nothing changed. */
  | { readonly kind: 'stale' }
  /** A newer holder of the partition exists; nothing changed. */
  | { readonly kind: 'fenced'; readonly consumerEpoch: number };

export const DONE: SettleOutcome = { kind: 'done' };
export const STALE: SettleOutcome = { kind: 'stale' };
export const SETTLED_BEFORE: SettleOutcome = { kind: 'settledBefore' };

/** How a receipt stands to the message that it names. */
export type Judgement =
  /** This is the delivery in flight, or one of an earlier owner that nothing has superseded. */
  | 'current'
  /** The same decision is being, or has been, made by the same receipt. */
  | 'repeated'
  | 'stale';

/**
 * Judges a receipt. The delivery number decides for messages that this owner delivered. What it never delivered may be
 * with a consumer that got it from the owner before: then the attempt must be the one that would come next.
 */
export function judge(entry: Entry, request: SettleRequest): Judgement {
  const isLastDelivery = entry.deliveryNo !== 0 && entry.deliveryNo === request.deliveryNo;
  switch (entry.state) {
    case ENTRY_STATE.inFlight:
      return isLastDelivery && request.attempt === entry.attempts + 1 ? 'current' : 'stale';
    case ENTRY_STATE.settling:
      return repeatsFate(entry, request, isLastDelivery) ? 'repeated' : 'stale';
    case ENTRY_STATE.ready:
    case ENTRY_STATE.waiting:
      return judgeUndelivered(entry, request, isLastDelivery);
    case ENTRY_STATE.gone:
      return 'stale';
  }
}

/** True if the receipt is of the delivery that failed. Of an earlier owner's delivery only the attempt is known. */
function isSameDelivery(entry: Entry, request: SettleRequest, isLastDelivery: boolean): boolean {
  return isLastDelivery || (entry.deliveryNo === 0 && request.attempt === entry.attempts);
}

/** What is acknowledged is so whoever did it; a failure is its own delivery's. */
function repeatsFate(entry: Entry, request: SettleRequest, isLastDelivery: boolean): boolean {
  if (request.kind === SETTLE.ack) {
    return entry.fate === FATE.done;
  }
  const repeats =
    (request.kind === SETTLE.nack && isFailure(entry)) ||
    (request.kind === SETTLE.deadLetter && entry.fate === FATE.dead);
  return repeats && isSameDelivery(entry, request, isLastDelivery);
}

const isFailure = (entry: Entry): boolean => entry.fate === FATE.retry || entry.fate === FATE.dead;

function judgeUndelivered(entry: Entry, request: SettleRequest, isLastDelivery: boolean): Judgement {
  const byEarlierOwner = entry.deliveryNo === 0;
  if (request.kind === SETTLE.nack && entry.fate === FATE.retry && isSameDelivery(entry, request, isLastDelivery)) {
    return 'repeated';
  }
  return byEarlierOwner && request.attempt === entry.attempts + 1 ? 'current' : 'stale';
}
