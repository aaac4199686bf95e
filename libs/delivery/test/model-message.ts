import { SETTLE, type SettleOutcome, type SettleRequest } from '../src/index.js';

/** One message of the model. */
export interface ModelMessage {
  readonly lane: number;
  readonly offset: number;
  readonly keyHash: number;
  readonly bytes: number;
  /** Its place in the order of its key: when it was published, or redriven. */
  turn: number;
  state: 'ready' | 'inFlight' | 'settling' | 'waiting' | 'gone';
  /** `rejected`: dead since its consumer says so; it is over like one that is done. */
  fate: 'done' | 'retry' | 'struck' | 'dead' | 'rejected' | undefined;
  ticket: number;
  attempts: number;
  strikes: number;
  /** Its retry row keeps its record. */
  hasRecord: boolean;
  /** A retry row holds it. */
  stored: boolean;
  dueAtMs: number;
  deliveryNo: number;
  /** The delivery that failed last, unless it was delivered since. */
  failedNo: number;
  deadlineMs: number;
  /** It did not reach its consumer, which is back and is to get it again. */
  lost: boolean;
  /** Who has it, or whose credit it holds until its fate is committed. */
  subscriptionId: number | undefined;
}

/** A message that was just published. */
export function newMessage(of: Pick<ModelMessage, 'lane' | 'offset' | 'keyHash' | 'bytes' | 'turn'>): ModelMessage {
  return {
    ...of,
    ...{ state: 'ready', fate: undefined, ticket: 0, attempts: 0, strikes: 0, stored: false, hasRecord: false },
    ...{ dueAtMs: 0, deliveryNo: 0, failedNo: 0, deadlineMs: 0, lost: false, subscriptionId: undefined },
  };
}

/** Whether the receipt is the one in flight. */
export function isCurrent(message: ModelMessage, { deliveryNo }: SettleRequest): boolean {
  return message.state === 'inFlight' && message.deliveryNo === deliveryNo;
}

/** The answer to a receipt that is not the one in flight. */
export function answerOf(message: ModelMessage, { kind, deliveryNo }: SettleRequest): SettleOutcome {
  const { state, fate, ticket } = message;
  const repeatsNack = kind === SETTLE.nack && message.failedNo === deliveryNo;
  if (state === 'gone') {
    return { kind: kind === SETTLE.ack ? 'settledBefore' : 'stale' };
  }
  if (state === 'settling') {
    const repeats = repeatsNack || repeatsDeath(message, kind, deliveryNo) || (kind === SETTLE.ack && fate === 'done');
    return repeats ? { kind: 'pending', ticket } : { kind: 'stale' };
  }
  return { kind: repeatsNack ? 'done' : 'stale' };
}

function repeatsDeath({ fate, failedNo }: ModelMessage, kind: SettleRequest['kind'], deliveryNo: number): boolean {
  return kind === SETTLE.deadLetter && (fate === 'dead' || fate === 'rejected') && failedNo === deliveryNo;
}
