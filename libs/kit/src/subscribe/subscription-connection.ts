import { HermesError, LIMITS } from '@hermes/contracts';
import { type CancelTimer, type Clock, type Timers } from '@hermes/runtime';
import { type ResponseStream } from '../grpc/handlers.js';
import { type ControlResponse, SubscriptionStream } from './subscription-stream.js';

/** What the connection of a subscription tells it. */
export interface SubscriptionConnectionEvents {
  /** The stream takes frames again, or does not. */
  writable(isWritable: boolean): void;
  /** The caller is gone. True: it is waited for, and `held` follows; false: `gone` follows. */
  mayHold(): boolean;
  /** Nobody is connected from now on. */
  held(): void;
  /** The caller is gone, and is not waited for. */
  gone(reason: Error): void;
  /** The caller has not come back in time, or is there and reads nothing. */
  lost(reason: Error): void;
}

export interface SubscriptionConnectionOptions<Frame> {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Frames that hold no deliveries. */
  readonly encode: (response: ControlResponse) => Frame;
  /** For so long a caller that has gone is waited for. */
  readonly holdMs: number;
  readonly events: SubscriptionConnectionEvents;
}

/** The streams of one subscription, one after the other, and the time between two of them. */
export class SubscriptionConnection<Frame> {
  readonly #options: SubscriptionConnectionOptions<Frame>;
  #stream: SubscriptionStream<Frame> | undefined;
  #ended: Error | undefined;
  #cancelHold: CancelTimer = () => undefined;

  constructor(options: SubscriptionConnectionOptions<Frame>) {
    this.#options = options;
  }

  /** Whether the caller is there. */
  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Whether a batch may be sent now. */
  get isWritable(): boolean {
    return this.#stream?.isWritable === true;
  }

  /** Goes on with this call; one before ends FENCED. Nothing goes out before it is started. */
  connect(stream: ResponseStream<Frame>): SubscriptionStream<Frame> {
    this.#disconnect(resumedElsewhere());
    const { clock, timers, encode, events } = this.#options;
    const connected = new SubscriptionStream<Frame>({
      ...{ stream, clock, timers, encode },
      events: {
        writable: (isWritable) => {
          events.writable(isWritable);
        },
        broken: (reason) => {
          this.#broken(reason);
        },
        stalled: () => {
          events.lost(new HermesError('SLOW_CONSUMER', `nothing was read for ${LIMITS.slowConsumerMs} ms`));
        },
      },
    });
    if (this.#ended === undefined) {
      this.#stream = connected;
    } else {
      connected.end(this.#ended);
    }
    return connected;
  }

  /** Begins the stream, if there is one: `first` goes out, then batches may. */
  start(first: ControlResponse): void {
    this.#stream?.start(first);
  }

  send(frame: Frame): void {
    this.#stream?.send(frame);
  }

  tell(response: ControlResponse): void {
    this.#stream?.tell(response);
  }

  /** Ends the stream, and every later one, with `error`. False if it has ended before. */
  end(error: Error): boolean {
    if (this.#ended !== undefined) {
      return false;
    }
    this.#ended = error;
    this.#cancelHold();
    this.#stream?.end(error);
    this.#stream = undefined;
    return true;
  }

  #broken(reason: Error): void {
    const { timers, holdMs, events } = this.#options;
    if (!events.mayHold()) {
      events.gone(reason);
      return;
    }
    this.#disconnect(reason);
    this.#cancelHold = timers.after(holdMs, () => {
      events.lost(reason);
    });
  }

  #disconnect(error: Error): void {
    this.#cancelHold();
    if (this.#stream !== undefined) {
      this.#stream.end(error);
      this.#stream = undefined;
      this.#options.events.held();
    }
  }
}

/**
 * What ends a stream whose subscription its consumer has resumed on another one. A consumer that did not mean to (a request
 * that had lain in a socket) can tell it from another consumer's claim, and resumes once more.
 */
function resumedElsewhere(): HermesError {
  const details = { by: 'resume' };
  return new HermesError('FENCED', 'the subscription was resumed on another stream', { details });
}
