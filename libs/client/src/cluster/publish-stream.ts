import { type ClientDuplexStream } from '@grpc/grpc-js';
import {
  fromServiceError,
  type HermesError,
  LIMITS,
  type PublishStreamResponse,
  type RawPublishRequest,
} from '@hermes/contracts';
import { type CancelTimer } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { PUBLISH_STREAM } from './methods.js';
import { outcomeOf, type PendingMessage, type PublishOutcome } from './pending-message.js';

/** Frames that wait for their answer; what comes meanwhile waits and shares frames. */
const FRAMES_IN_FLIGHT_MAX = 8;
/**
 * Servers close connections by age and give open streams 60 s: a stream of half that age is replaced in good order,
 * so that none is cut with frames unanswered.
 */
const AGE_MAX_MS = 30_000;

/** Where a stream publishes to. */
export interface PublishTarget {
  readonly endpoint: string;
  readonly topic: string;
  readonly partition: number | undefined;
}

/** What a stream tells its queue. */
export interface PublishStreamEvents {
  /** One frame was answered, in order. */
  answered(frame: readonly PendingMessage[], outcomes: readonly PublishOutcome[]): void;
  /** There is room for more. */
  writable(): void;
  /** Nothing more comes; `unanswered` frames were sent. Without an error the server ended it in good order. */
  ended(unanswered: readonly (readonly PendingMessage[])[], error: HermesError | undefined): void;
}

/** One open PublishStream: sends frames and matches the answers, which come in order. */
export class PublishStream {
  readonly endpoint: string;
  readonly #target: PublishTarget;
  readonly #stream: ClientDuplexStream<RawPublishRequest, PublishStreamResponse>;
  readonly #events: PublishStreamEvents;
  readonly #environment: Environment;
  readonly #openedAtMs: number;
  #unanswered: PendingMessage[][] = [];
  #error: HermesError | undefined;
  #socketFull = false;
  #finished = false;
  #cancelGrace: CancelTimer | undefined;

  constructor(
    { channels, environment }: { readonly channels: Channels; readonly environment: Environment },
    target: PublishTarget,
    events: PublishStreamEvents,
  ) {
    this.endpoint = target.endpoint;
    this.#environment = environment;
    this.#openedAtMs = environment.clock.monotonicMs();
    this.#target = target;
    this.#events = events;
    this.#stream = channels.bidi(target.endpoint, PUBLISH_STREAM);
    this.#stream.on('data', (response: PublishStreamResponse) => {
      this.#onResponse(response);
    });
    this.#stream.on('drain', () => {
      this.#socketFull = false;
      events.writable();
    });
    this.#stream.on('error', (error) => {
      this.#error = fromServiceError(error);
    });
    this.#stream.on('status', () => {
      this.#finished = true;
      this.#cancelGrace?.();
      events.ended(this.#unanswered, this.#error);
    });
  }

  /** True if another should take its place. */
  get isOld(): boolean {
    return this.#environment.clock.monotonicMs() - this.#openedAtMs > AGE_MAX_MS;
  }

  /** Frames that were sent and are not answered, in order. */
  get unanswered(): readonly (readonly PendingMessage[])[] {
    return this.#unanswered;
  }

  /** True while nothing more should be sent. */
  get full(): boolean {
    return this.#finished || this.#socketFull || this.#unanswered.length >= FRAMES_IN_FLIGHT_MAX;
  }

  send(frame: PendingMessage[]): void {
    const { topic, partition } = this.#target;
    const messages = frame.map((message) => {
      message.state = 'sent';
      return message.bytes;
    });
    this.#unanswered.push(frame);
    const identity = frame[0]?.identity;
    this.#socketFull = !this.#stream.write({
      ...{ topic, messages },
      ...(partition === undefined ? {} : { partition }),
      ...(identity === undefined ? {} : { producerId: identity.producerId, firstSequence: identity.sequence }),
    });
  }

  /** Sends nothing more; what is unanswered is still answered, within `graceMs`, then the stream ends. */
  finish(graceMs = Infinity): void {
    if (graceMs < Infinity) {
      this.#cancelGrace ??= this.#environment.timers.after(graceMs, () => {
        this.cancel();
      });
    }
    if (!this.#finished) {
      this.#finished = true;
      this.#stream.end();
    }
  }

  /** Ends it now; what is unanswered stays so. */
  cancel(): void {
    this.#finished = true;
    this.#stream.cancel();
  }

  #onResponse(response: PublishStreamResponse): void {
    const frame = this.#unanswered[0];
    if (frame?.length !== response.results.length) {
      // Answers that fit no frame make every later one doubtful.
      this.cancel();
      return;
    }
    this.#unanswered.shift();
    this.#events.answered(frame, response.results.map(outcomeOf));
  }
}

/** True if the contract lets a frame of so many messages and bytes hold one more. */
export function frameFits(messages: number, bytes: number, nextBytes: number): boolean {
  return messages === 0 || (messages < LIMITS.publishMessages && bytes + nextBytes <= LIMITS.frameBytes);
}
