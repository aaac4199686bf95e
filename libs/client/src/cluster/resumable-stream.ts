import {
  type HermesError,
  LIMITS,
  type RawDelivery,
  type Resume,
  type SubscribeAccepted,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type CancelTimer } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { OwnerStream } from './owner-stream.js';
import { type SilenceWatch } from './silence-watch.js';

/** Pause before a broken stream is opened again. */
const RESUME_DELAY_MS = 50;

/** What a subscription at one server tells. */
export interface ResumableStreamEvents {
  /** `before`: what was asked to be resumed; partitions that are not served can resume that elsewhere still. */
  accepted(terms: SubscribeAccepted, before: Resume | undefined): void;
  /** `batch` is the server's number of the frame. */
  deliveries(deliveries: RawDelivery[], batch: number): void;
  /** Nothing more comes of these partitions; none named: of all, and `ended` follows. */
  draining(partitions: readonly number[]): void;
  /** What came of these partitions and is not settled is delivered again: the server could not resume. */
  lost(partitions: readonly number[]): void;
  /** Nothing more comes. Not called after `cancel`. */
  ended(error: HermesError): void;
}

/** Where it is, and what it needs. */
export interface StreamPlace {
  readonly channels: Channels;
  readonly watch: SilenceWatch;
  readonly environment: Environment;
  readonly endpoint: string;
}

/**
 * A subscription at one server. When its stream breaks it is opened again, for as long as the server may have kept what
 * is in flight: then the consumer notices nothing.
 */
export class ResumableStream {
  readonly endpoint: string;
  readonly #place: StreamPlace;
  readonly #request: () => SubscribeRequest | undefined;
  readonly #events: ResumableStreamEvents;
  #stream: OwnerStream | undefined;
  /** What the server accepted, and the last batch that came. */
  #position: Resume | undefined;
  #brokenAtMs: number | undefined;
  #cancelRetry: CancelTimer = () => undefined;
  #isPaused = false;

  /**
   * `request` is asked at each opening; undefined: nothing is wanted any more. Its `resume` is what an owner before had
   * accepted, if there was one.
   */
  constructor(place: StreamPlace, request: () => SubscribeRequest | undefined, events: ResumableStreamEvents) {
    this.endpoint = place.endpoint;
    this.#place = place;
    this.#request = request;
    this.#events = events;
    const first = request();
    this.#position = first?.resume;
    this.#open(first);
  }

  /** What a server would resume; undefined if none has accepted yet. */
  get position(): Resume | undefined {
    return this.#position;
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#stream?.resume();
  }

  /** Ends it; no event follows. */
  cancel(): void {
    this.#cancelRetry();
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  /**
   * Opens it again, for what is wanted now: what came after `lastBatch` comes once more, by default nothing. After `cancel` within the time
   * that a server keeps a subscription.
   */
  reopen(lastBatch = Number.POSITIVE_INFINITY): void {
    this.cancel();
    if (this.#position !== undefined) {
      this.#position = { ...this.#position, lastBatch: Math.min(lastBatch, this.#position.lastBatch) };
    }
    this.#open(this.#request());
  }

  #open(request: SubscribeRequest | undefined): void {
    if (request === undefined) {
      return;
    }
    const stream = new OwnerStream(
      this.#place,
      { ...request, resume: this.#position },
      {
        accepted: (terms) => {
          this.#onAccepted(terms);
        },
        deliveries: (deliveries, batch) => {
          if (this.#position !== undefined) {
            this.#position = { ...this.#position, lastBatch: batch };
          }
          this.#events.deliveries(deliveries, batch);
        },
        draining: (partitions) => {
          this.#events.draining(partitions);
        },
        ended: (error) => {
          this.#onEnd(error);
        },
      },
    );
    this.#stream = stream;
    if (this.#isPaused) {
      stream.pause();
    }
  }

  #onAccepted(terms: SubscribeAccepted): void {
    const before = this.#position;
    this.#brokenAtMs = undefined;
    this.#position = {
      subscriptionId: terms.subscriptionId,
      lastBatch: (terms.resumed ? before?.lastBatch : undefined) ?? 0,
    };
    if (before !== undefined && !terms.resumed) {
      this.#events.lost(terms.partitions);
    }
    this.#events.accepted(terms, before);
  }

  #onEnd(error: HermesError): void {
    this.#stream = undefined;
    const { clock, timers } = this.#place.environment;
    this.#brokenAtMs ??= clock.monotonicMs();
    const isKept = clock.monotonicMs() - this.#brokenAtMs < LIMITS.resumeMs;
    const request = this.#request();
    if (this.#position === undefined || !isBreak(error) || !isKept || request === undefined) {
      this.#events.ended(error);
      return;
    }
    this.#cancelRetry = timers.after(RESUME_DELAY_MS, () => {
      this.reopen();
    });
  }
}

/**
 * Whether the connection is to blame, and not what the server has decided. So it is when an older request of this stream,
 * which had lain in a socket, was served after a newer one.
 */
function isBreak({ code, details }: HermesError): boolean {
  return code === 'OUTCOME_UNKNOWN' || (code === 'FENCED' && details['by'] === 'resume');
}
