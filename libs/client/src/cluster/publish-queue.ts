import { HermesError } from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { Budget } from './budget.js';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { deadlineUnknown, failureOf, outcomeUnknown, partitionMoving, wasNeverSent } from './failure.js';
import { type PendingMessage, type PublishOutcome } from './pending-message.js';
import { frameFits, PublishStream } from './publish-stream.js';
import { type Router } from './router.js';

/** Bytes that may wait for one partition; the whole process has a bound of its own. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Servers close connections by age and give open streams 60 s: a stream of half that age is replaced in good order,
 * so that none is cut with frames unanswered.
 */
const STREAM_AGE_MAX_MS = 30_000;
/** How long an owner that lost its partition may still answer what it got. */
const MOVED_GRACE_MS = 2_000;
const RETRY_BACKOFF = { initialMs: 20, maxMs: 1_000 };
/** Deadlines are looked after in steps, so that no message needs a timer. */
const EXPIRY_STEP_MS = 10;

/** What a queue needs to send. */
export interface PublishQueueOptions {
  readonly topic: string;
  /** Unset at a gateway, which splits by partition itself. */
  readonly partition: number | undefined;
  readonly router: Router;
  readonly channels: Channels;
  readonly environment: Environment;
  /** What may wait in the whole process. */
  readonly budget: Budget;
}

/**
 * The messages of one partition on their way to its owner, in order, over one pipelined stream.
 *
 * What certainly was not stored is sent again, at whoever owns the partition then, until its deadline. What may have
 * been stored (the connection broke, the deadline passed after it was sent) is never sent again: its outcome is
 * OUTCOME_UNKNOWN. Within a stream the order is kept: a refused message goes again before all that came after it.
 */
export class PublishQueue {
  /** Room for bytes that wait here; taken by whoever pushes, given back when a message is settled. */
  readonly budget: Budget;
  readonly #options: PublishQueueOptions;
  readonly #backoff: Backoff;
  readonly #stopListening: () => void;
  #waiting: PendingMessage[] = [];
  #head = 0;
  /** Refused in a stream that still runs; they lead the queue once it has ended. */
  #refused: PendingMessage[] = [];
  #sent = new Set<readonly PendingMessage[]>();
  #stream: PublishStream | undefined;
  #lastRefusal: HermesError | undefined;
  #flushScheduled = false;
  #cancelRetry: CancelTimer | undefined;
  #cancelMoved: CancelTimer | undefined;
  #cancelExpiry: CancelTimer | undefined;
  #expiryAtMs = Infinity;
  #usedAtMs = 0;
  #closed = false;

  constructor(options: PublishQueueOptions) {
    this.#options = options;
    this.budget = new Budget(QUEUE_BYTES_MAX, options.budget);
    this.#backoff = new Backoff(RETRY_BACKOFF, options.environment.random);
    this.#stopListening = options.router.onChange((topics) => {
      if (topics.has(options.topic)) {
        this.#onRouteChange();
      }
    });
  }

  /** True if nothing waits and nothing is unanswered. */
  get idle(): boolean {
    return this.#head >= this.#waiting.length && this.#refused.length === 0 && this.#sent.size === 0;
  }

  /** When something was pushed last. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** Adds a message at the end. All that are pushed in one turn of the event loop share frames. */
  push(message: PendingMessage): void {
    if (this.#closed) {
      message.settle(new HermesError('DRAINING', 'the publisher is closed'));
      return;
    }
    this.#usedAtMs = this.#options.environment.clock.monotonicMs();
    this.#waiting.push(message);
    this.#watchDeadline(message.deadlineAtMs);
    this.#scheduleFlush();
  }

  /** Ends an unused stream; it opens again by itself. */
  rest(): void {
    if (this.idle) {
      this.#stream?.finish();
    }
  }

  /** Settles everything: what waits as not stored, what was sent as unknown. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#cancelRetry?.();
    this.#cancelMoved?.();
    this.#cancelExpiry?.();
    const error = new HermesError('DRAINING', 'the publisher was closed before the message was sent');
    [...this.#refused, ...this.#waiting.slice(this.#head)].forEach((message) => message.settle(error));
    this.#waiting = [];
    this.#head = 0;
    this.#stream?.cancel();
  }

  #scheduleFlush(): void {
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.#closed || this.#cancelRetry !== undefined || this.#head >= this.#waiting.length) {
      return;
    }
    const stream = this.#stream ?? this.#open();
    if (stream === undefined) {
      this.#retryLater();
      return;
    }
    const nowMs = this.#options.environment.clock.monotonicMs();
    if (nowMs - stream.openedAtMs > STREAM_AGE_MAX_MS) {
      stream.finish();
    }
    while (!stream.full) {
      const frame = this.#nextFrame(nowMs);
      if (frame.length === 0) {
        return;
      }
      this.#sent.add(frame);
      stream.send(frame);
    }
  }

  #nextFrame(nowMs: number): PendingMessage[] {
    const frame: PendingMessage[] = [];
    let bytes = 0;
    for (let next = this.#waiting[this.#head]; next !== undefined; next = this.#waiting[this.#head]) {
      if (this.#isAlive(next, nowMs)) {
        if (!frameFits(frame.length, bytes, next.bytes.length)) {
          break;
        }
        frame.push(next);
        bytes += next.bytes.length;
      }
      this.#head += 1;
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }

  /** False, and settled, if the message must not be sent any more. */
  #isAlive(message: PendingMessage, nowMs: number): boolean {
    if (message.deadlineAtMs <= nowMs) {
      message.settle(this.#missedDeadline());
    } else if (message.chain?.failed !== undefined) {
      message.settle(message.chain.failed);
    }
    return message.state !== 'settled';
  }

  #missedDeadline(): HermesError {
    const { topic, partition } = this.#options;
    if (this.#lastRefusal === undefined && this.#stream !== undefined) {
      return new HermesError('BACKPRESSURE', `${topic}: the message was not sent before its deadline`);
    }
    const last = this.#lastRefusal;
    const moving = last === undefined || last.code === 'NOT_OWNER' || last.code === 'OUTCOME_UNKNOWN';
    return moving ? partitionMoving(topic, partition, last) : last;
  }

  #open(): PublishStream | undefined {
    const { router, channels, topic, partition, environment } = this.#options;
    const endpoint = router.endpointOf(topic, partition);
    if (endpoint === undefined) {
      return undefined;
    }
    const stream = new PublishStream(channels, { endpoint, topic, partition }, environment.clock.monotonicMs(), {
      answered: (frame, outcomes) => {
        this.#onAnswer(stream, frame, outcomes);
      },
      writable: () => {
        this.#flush();
      },
      ended: (unanswered, error) => {
        this.#onEnd(unanswered, error);
      },
    });
    this.#stream = stream;
    return stream;
  }

  #onAnswer(stream: PublishStream, frame: readonly PendingMessage[], outcomes: readonly PublishOutcome[]): void {
    this.#sent.delete(frame);
    const refusedBefore = this.#refused.length;
    outcomes.forEach((outcome, index) => {
      const message = frame[index];
      if (message !== undefined && !this.#refuse(message, outcome)) {
        message.settle(outcome);
      }
    });
    if (this.#refused.length > refusedBefore) {
      stream.finish();
      return;
    }
    this.#lastRefusal = undefined;
    this.#backoff.reset();
    this.#flush();
  }

  /** True if the message was not stored and will be sent again. */
  #refuse(message: PendingMessage, outcome: PublishOutcome): boolean {
    if (!(outcome instanceof HermesError) || message.state === 'settled') {
      return false;
    }
    const failure = failureOf(outcome);
    if (failure !== 'later' && failure !== 'elsewhere') {
      return false;
    }
    this.#noteRefusal(outcome);
    message.state = 'waiting';
    this.#refused.push(message);
    return true;
  }

  #noteRefusal(error: HermesError): void {
    this.#lastRefusal = error;
    this.#options.router.learn(this.#options.topic, this.#options.partition, error);
  }

  #onEnd(unanswered: readonly (readonly PendingMessage[])[], error: HermesError | undefined): void {
    const endpoint = this.#stream?.endpoint;
    this.#stream = undefined;
    this.#sent.clear();
    this.#cancelMoved?.();
    this.#cancelMoved = undefined;
    unanswered.forEach((frame, index) => {
      this.#settleUnanswered(frame, index === 0, error);
    });
    const refused = this.#refused.length > 0;
    this.#waiting = [...this.#refused, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
    this.#refused = [];
    if (this.#closed || this.#waiting.length === 0) {
      return;
    }
    const { router, topic, partition } = this.#options;
    const moved = router.endpointOf(topic, partition) !== endpoint;
    if ((refused || error !== undefined) && !moved) {
      this.#retryLater();
    } else {
      this.#scheduleFlush();
    }
  }

  #settleUnanswered(frame: readonly PendingMessage[], isFirst: boolean, error: HermesError | undefined): void {
    if (error !== undefined && this.#isAbsent(isFirst, error)) {
      this.#sendAgain(frame, error);
      return;
    }
    const outcome = error !== undefined && failureOf(error) === 'final' ? error : outcomeUnknown(error);
    frame.forEach((message) => message.settle(outcome));
  }

  /** True if a frame without an answer certainly was not stored and may be sent again. */
  #isAbsent(isFirst: boolean, error: HermesError): boolean {
    switch (failureOf(error)) {
      case 'final':
        return !isFirst; // The refusal answers the first one.
      case 'unknown':
        return false;
      case 'later':
      case 'elsewhere':
        // One partition has one lane here, and after a refusal nothing later of a lane was stored.
        return this.#options.partition !== undefined || wasNeverSent(error);
    }
  }

  #sendAgain(frame: readonly PendingMessage[], error: HermesError): void {
    if (failureOf(error) !== 'final') {
      this.#noteRefusal(error);
    }
    for (const message of frame) {
      if (message.state === 'sent') {
        message.state = 'waiting';
        this.#refused.push(message);
      }
    }
  }

  #retryLater(): void {
    this.#cancelRetry ??= this.#options.environment.timers.after(this.#backoff.nextDelayMs(), () => {
      this.#cancelRetry = undefined;
      this.#flush();
    });
  }

  #onRouteChange(): void {
    const { router, topic, partition, environment } = this.#options;
    const stream = this.#stream;
    const endpoint = router.endpointOf(topic, partition);
    if (stream === undefined) {
      this.#cancelRetry?.();
      this.#cancelRetry = undefined;
      this.#flush();
    } else if (endpoint !== undefined && endpoint !== stream.endpoint) {
      stream.finish();
      this.#cancelMoved ??= environment.timers.after(MOVED_GRACE_MS, () => {
        stream.cancel();
      });
    }
  }

  #watchDeadline(deadlineAtMs: number): void {
    if (deadlineAtMs >= this.#expiryAtMs || this.#closed) {
      return;
    }
    const { clock, timers } = this.#options.environment;
    this.#cancelExpiry?.();
    this.#expiryAtMs = deadlineAtMs;
    this.#cancelExpiry = timers.after(Math.max(EXPIRY_STEP_MS, deadlineAtMs - clock.monotonicMs()), () => {
      this.#expiryAtMs = Infinity;
      this.#expire();
    });
  }

  #expire(): void {
    const nowMs = this.#options.environment.clock.monotonicMs();
    let nextAtMs = Infinity;
    const look = (message: PendingMessage, late: () => HermesError): void => {
      if (message.deadlineAtMs <= nowMs) {
        message.settle(late());
      } else if (message.state !== 'settled') {
        nextAtMs = Math.min(nextAtMs, message.deadlineAtMs);
      }
    };
    for (const frame of this.#sent) {
      frame.forEach((message) => {
        look(message, deadlineUnknown);
      });
    }
    [...this.#refused, ...this.#waiting.slice(this.#head)].forEach((message) => {
      look(message, () => this.#missedDeadline());
    });
    this.#waiting = this.#waiting.slice(this.#head).filter(({ state }) => state !== 'settled');
    this.#head = 0;
    if (nextAtMs < Infinity) {
      this.#watchDeadline(nextAtMs);
    }
  }
}
