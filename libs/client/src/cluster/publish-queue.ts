import { HermesError, LIMITS } from '@hermes/contracts';
import { Backlog } from './backlog.js';
import { Budget } from './budget.js';
import { type Channels } from './channels.js';
import { DeadlineWatch } from './deadline-watch.js';
import { type Environment } from './environment.js';
import { ClientClosed, deadlineUnknown, failureOf, isUntried, mayRepeat } from './failure.js';
import { type PendingMessage, type PublishOutcome } from './pending-message.js';
import { ProducerNumbers, SPAN_MAX } from './producer-numbers.js';
import { PublishRetry } from './publish-retry.js';
import { PublishStream } from './publish-stream.js';
import { type Router } from './router.js';
import { outcomeOfUnanswered } from './unanswered.js';

/** Bytes that may wait for one partition; the whole process has a bound of its own. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** Messages of a frame, if they are numbered. */
const NUMBERED_FRAME_MAX = SPAN_MAX / 4;
/** How long an owner that lost its partition may still answer what it got. */
const MOVED_GRACE_MS = 2_000;

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
 * What certainly was not stored is sent again, at whoever owns the partition then, until its deadline. So is what may
 * have been stored (the connection broke), for each message has a number or a key by which its repeat is known: its outcome
 * is OUTCOME_UNKNOWN only at its deadline. (At a gateway that splits by partition itself, unkeyed ones have no number, and are
 * not sent again.) The order is kept: a refused message goes again before all that came after it.
 */
export class PublishQueue {
  /** Room for bytes that wait here; taken by whoever pushes, given back when a message is settled. */
  readonly budget: Budget;
  readonly #options: PublishQueueOptions;
  readonly #retry: PublishRetry;
  readonly #stopListening: () => void;
  readonly #deadlines: DeadlineWatch;
  readonly #backlog = new Backlog();
  /** Undefined at a gateway that splits by partition itself: a number is one partition's. */
  readonly #numbers: ProducerNumbers | undefined;
  #stream: PublishStream | undefined;
  /** Of the owner that was tried last. */
  #tried = '';
  #flushScheduled = false;
  #usedAtMs: number;
  #closed = false;

  constructor(options: PublishQueueOptions) {
    this.#options = options;
    this.budget = new Budget(QUEUE_BYTES_MAX, options.budget);
    this.#retry = new PublishRetry(options.environment, () => {
      this.#flush();
    });
    this.#deadlines = new DeadlineWatch(options.environment, (nowMs) => this.#expire(nowMs));
    this.#numbers = options.partition === undefined ? undefined : new ProducerNumbers(options.environment.random);
    this.#usedAtMs = options.environment.clock.monotonicMs();
    this.#stopListening = options.router.onChange((topics) => {
      if (topics.has(options.topic)) {
        this.#onRouteChange();
      }
    });
  }

  /** True if nothing waits, for room either, and nothing is unanswered. */
  get idle(): boolean {
    return this.#backlog.isEmpty && (this.#stream?.unanswered.length ?? 0) === 0 && this.budget.isIdle;
  }

  /** When something was pushed last. */
  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** Adds a message at the end. All that are pushed in one turn of the event loop share frames. */
  push(message: PendingMessage): void {
    if (this.#closed) {
      message.settle(new ClientClosed());
      return;
    }
    this.#usedAtMs = this.#options.environment.clock.monotonicMs();
    this.#backlog.push(message);
    this.#deadlines.add(message.deadlineAtMs);
    this.#scheduleFlush();
  }

  /** Ends an unused stream; it opens again by itself. */
  rest(): void {
    if (this.idle) {
      this.#stream?.finish();
    }
  }

  /** Several frames of numbered messages fit what may be unanswered: while one is stored the next is on its way. */
  get #frameMax(): number {
    return this.#numbers === undefined ? LIMITS.publishMessages : NUMBERED_FRAME_MAX;
  }

  /** Settles everything: what waits as not stored, what was sent as unknown. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    this.#retry.cancel();
    this.#deadlines.stop();
    this.#settleBacklog();
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
    if (this.#closed || this.#retry.isPending || !this.#backlog.isWaiting) {
      return;
    }
    const stream = this.#stream ?? this.#open();
    if (stream === undefined) {
      this.#retry.later();
      return;
    }
    const nowMs = this.#options.environment.clock.monotonicMs();
    if (stream.isOld) {
      stream.finish();
    }
    const alive = (message: PendingMessage): boolean => this.#isAlive(message, nowMs);
    const go = (message: PendingMessage): boolean => this.#numbers?.number(message) !== false;
    while (!stream.full) {
      const frame = this.#backlog.takeFrame({ alive, go }, this.#frameMax);
      if (frame.length === 0) {
        return;
      }
      stream.send(frame);
    }
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
    return this.#retry.missedDeadline(topic, partition, this.#stream !== undefined);
  }

  #open(): PublishStream | undefined {
    const { router, channels, topic, partition, environment } = this.#options;
    const endpoint = router.endpointOf(topic, partition);
    if (endpoint === undefined) {
      return undefined;
    }
    this.#tried = router.ownershipOf(topic, partition);
    const stream = new PublishStream(
      { channels, environment },
      { endpoint, topic, partition },
      {
        answered: (frame, outcomes) => {
          this.#onAnswer(stream, frame, outcomes);
        },
        writable: () => {
          this.#flush();
        },
        ended: (unanswered, error) => {
          this.#onEnd(unanswered, error);
        },
      },
    );
    this.#stream = stream;
    return stream;
  }

  #onAnswer(stream: PublishStream, frame: readonly PendingMessage[], outcomes: readonly PublishOutcome[]): void {
    const refusedBefore = this.#backlog.refused;
    outcomes.forEach((outcome, index) => {
      const message = frame[index];
      if (message !== undefined && !this.#refuse(message, outcome)) {
        message.settle(outcome);
      }
    });
    if (this.#backlog.refused > refusedBefore) {
      stream.finish();
      return;
    }
    this.#retry.succeeded();
    this.#flush();
  }

  /** True if the message was not stored, or its repeat would be known, and it will be sent again. */
  #refuse(message: PendingMessage, outcome: PublishOutcome): boolean {
    if (!(outcome instanceof HermesError) || message.state === 'settled') {
      return false;
    }
    const isForgotten = outcome.code === 'OUT_OF_SEQUENCE' && this.#numbers?.forgotten(message) === true;
    if (!isForgotten && !isUntried(outcome) && !this.#goesAgain(message, outcome)) {
      return false;
    }
    this.#noteRefusal(outcome);
    this.#backlog.refuse(message);
    return true;
  }

  /** True if the message may be stored, but sending it again is safe: it is in doubt from now on. */
  #goesAgain(message: PendingMessage, outcome: HermesError): boolean {
    const goesAgain = message.isRepeatable && failureOf(outcome) === 'unknown' && mayRepeat(outcome);
    message.isDoubtful ||= goesAgain;
    return goesAgain;
  }

  #noteRefusal(error: HermesError): void {
    this.#retry.refused(error);
    this.#options.router.learn(this.#options.topic, this.#options.partition, error);
  }

  #onEnd(unanswered: readonly (readonly PendingMessage[])[], error: HermesError | undefined): void {
    const { router, topic, partition } = this.#options;
    const endpoint = this.#stream?.endpoint;
    this.#stream = undefined;
    unanswered.forEach((frame, index) => {
      this.#settleUnanswered(frame, index === 0, error);
    });
    const hasRefused = this.#backlog.refused > 0;
    this.#backlog.rejoin();
    this.#numbers?.renew();
    if (this.#closed) {
      this.#settleBacklog();
      return;
    }
    if (!this.#backlog.isWaiting) {
      return;
    }
    const hasMoved = router.endpointOf(topic, partition) !== endpoint;
    if ((hasRefused || error !== undefined) && !hasMoved) {
      this.#retry.later();
    } else {
      this.#scheduleFlush();
    }
  }

  #settleUnanswered(frame: readonly PendingMessage[], isFirst: boolean, error: HermesError | undefined): void {
    const outcome = outcomeOfUnanswered(error, { isFirst, isOneLane: this.#options.partition !== undefined });
    if (outcome === undefined) {
      this.#sendAgain(frame, error);
      return;
    }
    const again: PendingMessage[] = [];
    for (const message of frame) {
      if (this.#goesAgain(message, outcome)) {
        again.push(message);
      } else {
        message.settle(outcome);
      }
    }
    if (again.length > 0) {
      this.#sendAgain(again, error);
    }
  }

  #sendAgain(frame: readonly PendingMessage[], error: HermesError | undefined): void {
    if (error !== undefined && failureOf(error) !== 'final') {
      this.#noteRefusal(error);
    }
    for (const message of frame) {
      if (message.state === 'sent') {
        this.#backlog.refuse(message);
      }
    }
  }

  #onRouteChange(): void {
    const { router, topic, partition } = this.#options;
    const stream = this.#stream;
    const endpoint = router.endpointOf(topic, partition);
    if (stream === undefined) {
      if (router.ownershipOf(topic, partition) !== this.#tried) {
        this.#retry.cancel();
        this.#flush();
      }
    } else if (endpoint !== undefined && endpoint !== stream.endpoint) {
      stream.finish(MOVED_GRACE_MS);
    }
  }

  /** Settles what is late; gives the earliest deadline of the rest. */
  #expire(nowMs: number): number {
    let nextAtMs = Infinity;
    const look = (message: PendingMessage, late: () => HermesError): void => {
      if (message.deadlineAtMs <= nowMs) {
        message.settle(late());
      } else if (message.state !== 'settled') {
        nextAtMs = Math.min(nextAtMs, message.deadlineAtMs);
      }
    };
    for (const frame of this.#stream?.unanswered ?? []) {
      frame.forEach((message) => {
        look(message, deadlineUnknown);
      });
    }
    this.#backlog.sweep((message) => {
      look(message, () => this.#missedDeadline());
    });
    // Those that it has held up may go.
    this.#scheduleFlush();
    return nextAtMs;
  }

  #settleBacklog(): void {
    const error = new ClientClosed();
    this.#backlog.sweep((message) => {
      message.settle(error);
    });
  }
}
