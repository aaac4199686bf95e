import { HermesError } from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { type Environment } from './environment.js';
import { partitionMoving, retryDelayMs } from './failure.js';

const RETRY_BACKOFF = { initialMs: 20, maxMs: 1_000 };

/** When the messages of one partition are tried again, and why they were not stored so far. */
export class PublishRetry {
  readonly #environment: Environment;
  readonly #attempt: () => void;
  readonly #backoff: Backoff;
  #lastRefusal: HermesError | undefined;
  #cancelTimer: CancelTimer | undefined;

  constructor(environment: Environment, attempt: () => void) {
    this.#environment = environment;
    this.#attempt = attempt;
    this.#backoff = new Backoff(RETRY_BACKOFF, environment.random);
  }

  /** True until the next try is due. */
  get isPending(): boolean {
    return this.#cancelTimer !== undefined;
  }

  /** Something was refused: this is what late messages will be told. */
  refused(error: HermesError): void {
    this.#lastRefusal = error;
  }

  /** Something was stored: the next failure begins with a short delay again. */
  succeeded(): void {
    this.#lastRefusal = undefined;
    this.#backoff.reset();
  }

  /** Tries again in a while; harmless if that is planned already. */
  later(): void {
    this.#cancelTimer ??= this.#environment.timers.after(retryDelayMs(this.#backoff, this.#lastRefusal), () => {
      this.#cancelTimer = undefined;
      this.#attempt();
    });
  }

  /** Forgets the planned try. */
  cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** What a message is told that was certainly not stored before its deadline. */
  missedDeadline(topic: string, partition: number | undefined, hasStream: boolean): HermesError {
    const last = this.#lastRefusal;
    if (last === undefined && hasStream) {
      return new HermesError('BACKPRESSURE', `${topic}: the message was not sent before its deadline`);
    }
    const isMoving = last === undefined || last.code === 'NOT_OWNER' || last.code === 'OUTCOME_UNKNOWN';
    return isMoving ? partitionMoving(topic, partition, last) : last;
  }
}
