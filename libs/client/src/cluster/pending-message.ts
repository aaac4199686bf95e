import {
  type Durability,
  HermesError,
  type PublishIdentity,
  type PublishResult,
  statusToError,
} from '@hermes/contracts';
import { ClientClosed, isUntried, outcomeUnknown } from './failure.js';

/** A message that was stored. */
export interface Published {
  readonly messageId?: string;
  readonly scheduleId?: string;
  readonly durability: Durability;
  readonly duplicate: boolean;
}

/** What became of a message: exactly one of these. */
export type PublishOutcome = Published | HermesError;

/** What may be said about a message on its way. */
export interface PendingOptions {
  readonly chain?: Chain | undefined;
  readonly identity?: PublishIdentity | undefined;
  /** It has an idempotency key. */
  readonly isKeyed?: boolean;
}

/** Messages of one publisher that must not pass each other: when one of them fails retryably, the rest fail too. */
export interface Chain {
  failed?: HermesError;
}

/** One message on its way. It is settled once, whatever happens afterwards. */
export class PendingMessage {
  /** The encoded Message. */
  readonly bytes: Uint8Array;
  readonly deadlineAtMs: number;
  readonly chain: Chain | undefined;
  identity: PublishIdentity | undefined;
  readonly #isKeyed: boolean;
  state: 'waiting' | 'sent' | 'settled' = 'waiting';
  /** An earlier attempt may have stored it. */
  isDoubtful = false;
  readonly #onSettled: (outcome: PublishOutcome) => void;

  constructor(
    bytes: Uint8Array,
    deadlineAtMs: number,
    onSettled: (outcome: PublishOutcome) => void,
    { chain, identity, isKeyed = false }: PendingOptions = {},
  ) {
    this.bytes = bytes;
    this.deadlineAtMs = deadlineAtMs;
    this.chain = chain;
    this.identity = identity;
    this.#isKeyed = isKeyed;
    this.#onSettled = onSettled;
  }

  /** Sent twice, it is stored once: it goes again though an earlier attempt may have stored it. */
  get isRepeatable(): boolean {
    return this.#isKeyed || this.identity !== undefined;
  }

  /**
   * The first outcome counts; false if there was one already. That the last attempt stored nothing says nothing of an
   * earlier one of unknown outcome.
   */
  settle(told: PublishOutcome): boolean {
    if (this.state === 'settled') {
      return false;
    }
    this.state = 'settled';
    const saysNothing = told instanceof HermesError && saysNothingOfBefore(told);
    const outcome = this.isDoubtful && saysNothing ? outcomeUnknown(told) : told;
    if (this.chain !== undefined && outcome instanceof HermesError && outcome.retryable) {
      this.chain.failed ??= outcome;
    }
    this.#onSettled(outcome);
    return true;
  }
}

/** True if the attempt stored nothing, and an earlier one may have all the same. */
function saysNothingOfBefore(error: HermesError): boolean {
  return isUntried(error) || error instanceof ClientClosed || error.code === 'OUT_OF_SEQUENCE';
}

/** The outcome that a server's result tells. */
export function outcomeOf({ outcome, durability, duplicate }: PublishResult): PublishOutcome {
  switch (outcome?.$case) {
    case 'messageId':
      return { messageId: outcome.value, durability, duplicate };
    case 'scheduleId':
      return { scheduleId: outcome.value, durability, duplicate };
    case 'error':
      return statusToError(outcome.value);
    case undefined:
      return new HermesError('OUTCOME_UNKNOWN', 'the server told no outcome');
  }
}
