import {
  type CallLimits,
  PendingMessage,
  type PendingOptions,
  type PublishOutcome,
  type PublishQueue,
} from '@hermes/client/cluster';
import { HermesError } from '@hermes/contracts';
import { status } from '@grpc/grpc-js';

/** What became of the messages of one request, by their place in it. */
export class Outcomes {
  /** Resolves once every message has its outcome. Never rejects. */
  readonly all: Promise<readonly PublishOutcome[]>;
  readonly #outcomes: PublishOutcome[];
  readonly #signal: AbortSignal | undefined;
  readonly #pending: PendingMessage[] = [];
  readonly #onAbort = (): void => {
    const left = new HermesError('OUTCOME_UNKNOWN', 'the caller has left', { status: status.CANCELLED });
    this.#pending.forEach((message) => message.settle(left));
  };
  #missing: number;
  #resolve!: (outcomes: readonly PublishOutcome[]) => void;

  /** Once `signal` is aborted, what was not sent will not be, and nothing more is waited for. */
  constructor(count: number, signal: AbortSignal | undefined) {
    this.#outcomes = new Array<PublishOutcome>(count);
    this.#missing = count;
    this.#signal = signal;
    this.all = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** The message to push, for which room was taken: settled already if the caller has left. */
  expect(
    index: number,
    bytes: Uint8Array,
    queue: PublishQueue,
    { limits, ...options }: PendingOptions & { readonly limits: CallLimits },
  ): PendingMessage {
    const settle = (outcome: PublishOutcome): void => {
      queue.budget.give(bytes.length);
      this.settle(index, outcome);
    };
    const message = new PendingMessage(bytes, limits.deadlineAtMs, settle, options);
    this.#pending.push(message);
    if (this.#signal?.aborted === true) {
      this.#onAbort();
    }
    return message;
  }

  settle(index: number, outcome: PublishOutcome): void {
    this.#outcomes[index] = outcome;
    this.#missing -= 1;
    if (this.#missing === 0) {
      this.#signal?.removeEventListener('abort', this.#onAbort);
      this.#resolve(this.#outcomes);
    }
  }
}
