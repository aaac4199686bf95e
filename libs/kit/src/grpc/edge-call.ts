import { setMaxListeners } from 'node:events';
import { type Metadata } from '@grpc/grpc-js';
import { type Clock } from '@hermes/runtime';
import { type Call } from './handlers.js';
import { CallEndedError } from './public-error.js';

/** What is needed of grpc-js' call objects, which all have it. */
export interface SurfaceCall {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** Node's timers may fire this much before the wall clock says so. */
const TIMER_EARLY_MS = 2;

/** A call's state: running until it is settled (by its handler) or ended (by caller, connection or deadline). */
export class EdgeCall implements Call {
  readonly method: string;
  readonly #raw: SurfaceCall;
  readonly #clock: Clock;
  readonly #deadlineAtMs: number;
  readonly #given: boolean;
  #abort: AbortController | undefined;
  #ended: CallEndedError | undefined;
  #settled = false;
  #onEnd: ((reason: CallEndedError) => void) | undefined;

  /** `defaultDeadlineMs` counts if the caller gave no deadline. */
  constructor(raw: SurfaceCall, method: string, options: { clock: Clock; defaultDeadlineMs: number }) {
    this.method = method;
    this.#raw = raw;
    this.#clock = options.clock;
    const given = Number(raw.getDeadline());
    this.#given = Number.isFinite(given);
    this.#deadlineAtMs =
      options.clock.monotonicMs() + (this.#given ? given - options.clock.wallMs() : options.defaultDeadlineMs);
    raw.on('cancelled', () => {
      this.end(this.deadlineMs <= TIMER_EARLY_MS ? 'deadline' : 'cancelled');
    });
  }

  get metadata(): Metadata {
    return this.#raw.metadata;
  }

  get peer(): string {
    return this.#raw.getPeer();
  }

  get deadlineMs(): number {
    return Math.max(0, this.#deadlineAtMs - this.#clock.monotonicMs());
  }

  /** Made on first use: most calls never look at it. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      // A call makes as many calls of its own as it needs, and each listens.
      setMaxListeners(0, this.#abort.signal);
      if (this.#ended !== undefined) {
        this.#abort.abort(this.#ended);
      }
    }
    return this.#abort.signal;
  }

  /** Why the call is over without its handler, if it is. */
  get ended(): CallEndedError | undefined {
    return this.#ended;
  }

  get over(): boolean {
    return this.#settled || this.#ended !== undefined;
  }

  /** Told once when the call ends without its handler. */
  set onEnd(listener: (reason: CallEndedError) => void) {
    this.#onEnd = listener;
  }

  /** Ends the call at its default deadline; one that the caller gave is watched by grpc-js. Gives the disarming. */
  armDefaultDeadline(): () => void {
    if (this.#given) {
      return () => undefined;
    }
    const timer = setTimeout(() => {
      this.end('deadline');
    }, this.deadlineMs);
    return () => {
      clearTimeout(timer);
    };
  }

  end(why: CallEndedError['why']): void {
    if (this.over) {
      return;
    }
    this.#ended = new CallEndedError(why);
    this.#abort?.abort(this.#ended);
    this.#onEnd?.(this.#ended);
  }

  /** The handler is through. True the first time, and only while somebody waits for the answer. */
  settle(): boolean {
    const first = !this.over;
    this.#settled = true;
    return first;
  }
}
