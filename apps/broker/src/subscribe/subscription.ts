import { type Duration, durationFromMs, HermesError, LIMITS, SubscribeResponse } from '@hermes/contracts';
import { CallEndedError, type ResponseStream } from '@hermes/kit';
import { type CancelTimer, type Clock, createDeferred, type Timers } from '@hermes/runtime';

/** What a subscription has of one partition. */
export interface Attachment {
  /** The subscription's stream takes frames again. */
  writable(isWritable: boolean): void;
  /** Credit of the stream came back, by another partition. */
  creditFreed(): void;
  /** The stream has ended: give back what is in flight. */
  detach(): void;
  /** The stream has ended as it should: what is in flight stays with its consumer. */
  retire(): void;
}

export interface SubscriptionOptions {
  readonly id: number;
  readonly consumer: string;
  readonly stream: ResponseStream<Buffer>;
  readonly clock: Clock;
  readonly timers: Timers;
}

/**
 * One open Subscribe stream: frames go out in order, a heartbeat when nothing else does. It never holds more than the
 * stream's buffer: while that is full its partitions dispatch nothing to it.
 */
export class Subscription {
  readonly id: number;
  readonly consumer: string;
  readonly #options: SubscriptionOptions;
  readonly #attachments = new Map<number, Attachment>();
  readonly #end = createDeferred<never>();
  #sequence = 0;
  #lastFrameMs: number;
  /** Nothing goes out before `accepted`. */
  #isWritable = false;
  #ended = false;
  #cancelHeartbeat: CancelTimer = () => undefined;
  #cancelSlow: CancelTimer = () => undefined;

  constructor(options: SubscriptionOptions) {
    this.id = options.id;
    this.consumer = options.consumer;
    this.#options = options;
    this.#lastFrameMs = options.clock.monotonicMs();
    this.#end.promise.catch(() => undefined);
  }

  /** Whether a batch may be sent now. */
  get isWritable(): boolean {
    return this.#isWritable && !this.#ended;
  }

  get partitions(): readonly number[] {
    return [...this.#attachments.keys()];
  }

  attach(partition: number, attachment: Attachment): void {
    this.#attachments.set(partition, attachment);
    attachment.writable(this.isWritable);
  }

  /** Sends `accepted`, then runs until the stream ends: throws why. */
  async run(accepted: SubscribeResponse): Promise<never> {
    const { stream } = this.#options;
    const onAbort = (): void => {
      const reason: unknown = stream.signal.reason;
      this.end(reason instanceof Error ? reason : new CallEndedError('cancelled'));
    };
    stream.signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#isWritable = true;
      this.#frame(accepted);
      this.#armHeartbeat();
      this.#setWritable(this.#isWritable);
      if (stream.signal.aborted) {
        onAbort();
      }
      return await this.#end.promise;
    } finally {
      stream.signal.removeEventListener('abort', onAbort);
    }
  }

  /** The number of the next batch. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Sends a frame; after it the subscription may not be writable. */
  send(frame: Buffer): void {
    if (this.#ended) {
      return;
    }
    this.#lastFrameMs = this.#options.clock.monotonicMs();
    if (!this.#options.stream.write(frame) && this.#isWritable) {
      this.#stall();
    }
  }

  /** What was in flight in one partition is settled: the others may use its credit. */
  creditFreed(by: Attachment): void {
    for (const attachment of this.#attachments.values()) {
      if (attachment !== by) {
        attachment.creditFreed();
      }
    }
  }

  /**
   * A partition is no longer served on this stream, whose credit it has given back; one left without any ends with
   * `error`.
   */
  lose(partition: number, attachment: Attachment, error: HermesError): void {
    if (this.#attachments.get(partition) !== attachment) {
      return;
    }
    this.#attachments.delete(partition);
    const last = this.#attachments.size === 0;
    this.#frame({
      frame: { $case: 'draining', value: { partitions: last ? [] : [partition], grace: DRAIN_GRACE } },
    });
    if (last) {
      this.end(error);
    } else {
      this.creditFreed(attachment);
    }
  }

  /** Ends the stream. Idempotent. */
  end(error: Error): void {
    this.#finish(error, (attachment) => {
      attachment.detach();
    });
  }

  /** Ends a pull: what it got stays in flight. Idempotent. */
  retire(error: Error): void {
    this.#finish(error, (attachment) => {
      attachment.retire();
    });
  }

  #finish(error: Error, leave: (attachment: Attachment) => void): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#cancelHeartbeat();
    this.#cancelSlow();
    for (const attachment of this.#attachments.values()) {
      leave(attachment);
    }
    this.#attachments.clear();
    this.#end.reject(error);
  }

  #frame(response: SubscribeResponse): void {
    const bytes = SubscribeResponse.encode(response).finish();
    this.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** The stream's buffer is full: nothing more until it drains, and not for ever. */
  #stall(): void {
    this.#setWritable(false);
    this.#cancelSlow = this.#options.timers.after(LIMITS.slowConsumerMs, () => {
      this.end(new HermesError('SLOW_CONSUMER', `nothing was read for ${LIMITS.slowConsumerMs} ms`));
    });
    this.#options.stream.drained().then(
      () => {
        this.#cancelSlow();
        this.#setWritable(true);
      },
      // The stream has ended; its signal says so too.
      () => undefined,
    );
  }

  #setWritable(isWritable: boolean): void {
    this.#isWritable = isWritable;
    for (const attachment of this.#attachments.values()) {
      attachment.writable(this.isWritable);
    }
  }

  #armHeartbeat(): void {
    if (this.#ended) {
      // All its partitions may be gone before it runs.
      return;
    }
    const { clock, timers } = this.#options;
    const dueMs = this.#lastFrameMs + LIMITS.heartbeatMs;
    this.#cancelHeartbeat = timers.after(dueMs - clock.monotonicMs(), () => {
      if (clock.monotonicMs() >= this.#lastFrameMs + LIMITS.heartbeatMs && this.isWritable) {
        this.#frame({ frame: { $case: 'heartbeat', value: {} } });
      }
      this.#lastFrameMs = Math.max(this.#lastFrameMs, this.isWritable ? 0 : clock.monotonicMs());
      this.#armHeartbeat();
    });
  }
}

const DRAIN_GRACE: Duration = durationFromMs(LIMITS.drainGraceMs);
