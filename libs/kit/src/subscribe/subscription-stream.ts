import { LIMITS, type SubscribeResponse } from '@hermes/contracts';
import { type CancelTimer, type Clock, createDeferred, type Timers } from '@hermes/runtime';
import { type ResponseStream } from '../grpc/handlers.js';
import { CallEndedError } from '../grpc/public-error.js';

/** What a stream tells its subscription; nothing after it has ended. */
export interface SubscriptionStreamEvents {
  /** It takes frames again, or does not. */
  writable(isWritable: boolean): void;
  /** The caller has gone; the stream has ended with `reason`. */
  broken(reason: Error): void;
  /** The caller is there, and has read nothing for LIMITS.slowConsumerMs. */
  stalled(): void;
}

export interface SubscriptionStreamOptions<Frame> {
  readonly stream: ResponseStream<Frame>;
  /** Frames that hold no deliveries. */
  readonly encode: (response: ControlResponse) => Frame;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly events: SubscriptionStreamEvents;
}

/** A frame without deliveries. */
export type ControlResponse = SubscribeResponse & {
  readonly frame: Exclude<SubscribeResponse['frame'], { readonly $case: 'batch' }>;
};

/**
 * One Subscribe call: frames go out in order, a heartbeat when nothing else does. It never holds more than the socket's
 * buffer: while that is full it is not writable.
 */
export class SubscriptionStream<Frame> {
  readonly #options: SubscriptionStreamOptions<Frame>;
  readonly #end = createDeferred<never>();
  readonly #onAbort: () => void;
  #lastFrameMs = 0;
  /** Nothing goes out before `start`. */
  #isWritable = false;
  #ended = false;
  #cancelHeartbeat: CancelTimer = () => undefined;
  #cancelSlow: CancelTimer = () => undefined;

  constructor(options: SubscriptionStreamOptions<Frame>) {
    this.#options = options;
    this.#end.promise.catch(() => undefined);
    const { signal } = options.stream;
    this.#onAbort = () => {
      const reason: unknown = signal.reason;
      this.#break(reason instanceof Error ? reason : new CallEndedError('cancelled'));
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Whether a batch may be sent now. */
  get isWritable(): boolean {
    return this.#isWritable && !this.#ended;
  }

  /** Rejects with what ends the stream. */
  get over(): Promise<never> {
    return this.#end.promise;
  }

  /** Sends the first frame; batches may follow. */
  start(first: ControlResponse): void {
    if (this.#options.stream.signal.aborted) {
      this.#onAbort();
    }
    if (!this.#ended) {
      this.#isWritable = true;
      this.tell(first);
      this.#armHeartbeat();
      this.#options.events.writable(this.isWritable);
    }
  }

  /** Sends a frame; after it the stream may not be writable. Dropped once it has ended. */
  send(frame: Frame): void {
    if (this.#ended) {
      return;
    }
    this.#lastFrameMs = this.#options.clock.monotonicMs();
    if (!this.#options.stream.write(frame) && this.#isWritable) {
      this.#stall();
    }
  }

  /** Sends a frame without deliveries. */
  tell(response: ControlResponse): void {
    this.send(this.#options.encode(response));
  }

  /** Ends the call with `error`. Idempotent. */
  end(error: Error): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#options.stream.signal.removeEventListener('abort', this.#onAbort);
      this.#cancelHeartbeat();
      this.#cancelSlow();
      this.#end.reject(error);
    }
  }

  #break(reason: Error): void {
    if (!this.#ended) {
      this.end(reason);
      this.#options.events.broken(reason);
    }
  }

  /** The socket's buffer is full: nothing more until it drains, and not for ever. */
  #stall(): void {
    this.#setWritable(false);
    this.#cancelSlow = this.#options.timers.after(LIMITS.slowConsumerMs, () => {
      this.#options.events.stalled();
    });
    this.#options.stream.drained().then(
      () => {
        this.#cancelSlow();
        this.#setWritable(true);
      },
      // The call has ended; its signal says so too.
      () => undefined,
    );
  }

  #setWritable(isWritable: boolean): void {
    if (!this.#ended) {
      this.#isWritable = isWritable;
      this.#options.events.writable(isWritable);
    }
  }

  #armHeartbeat(): void {
    if (this.#ended) {
      return;
    }
    const { clock, timers } = this.#options;
    const dueMs = this.#lastFrameMs + LIMITS.heartbeatMs;
    this.#cancelHeartbeat = timers.after(dueMs - clock.monotonicMs(), () => {
      if (clock.monotonicMs() >= this.#lastFrameMs + LIMITS.heartbeatMs && this.isWritable) {
        this.tell({ frame: { $case: 'heartbeat', value: {} } });
      }
      this.#lastFrameMs = Math.max(this.#lastFrameMs, this.isWritable ? 0 : clock.monotonicMs());
      this.#armHeartbeat();
    });
  }
}
