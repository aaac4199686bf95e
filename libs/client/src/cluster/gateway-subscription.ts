import { durationFromMs, type HermesError, type SubscribeAccepted } from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { ClientClosed, failureOf, retryDelayMs } from './failure.js';
import { ResumableStream } from './resumable-stream.js';
import { type SilenceWatch } from './silence-watch.js';
import { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';

const RECONNECT_BACKOFF = { initialMs: 100, maxMs: 5_000 };

/** A subscription at a gateway, which holds the leases: one stream, opened anew when it ends. */
export class GatewaySubscription implements Subscription {
  readonly #channels: Channels;
  readonly #watch: SilenceWatch;
  readonly #environment: Environment;
  readonly #endpoint: string;
  readonly #request: SubscriptionRequest;
  readonly #events: SubscriptionEvents;
  readonly #backoff: Backoff;
  #stream: ResumableStream | undefined;
  #cancelRetry: CancelTimer | undefined;
  #accepted = false;
  #paused = false;

  constructor(
    deps: { channels: Channels; watch: SilenceWatch; environment: Environment; endpoint: string },
    request: SubscriptionRequest,
    events: SubscriptionEvents,
  ) {
    this.#channels = deps.channels;
    this.#watch = deps.watch;
    this.#environment = deps.environment;
    this.#endpoint = deps.endpoint;
    this.#request = request;
    this.#events = events;
    this.#backoff = new Backoff(RECONNECT_BACKOFF, deps.environment.random);
    this.#open();
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  settled(): void {
    // The gateway sees the settles itself.
  }

  close(): void {
    this.#cancelRetry?.();
    this.#stream?.cancel();
  }

  #open(): void {
    if (this.#channels.closed) {
      this.#end(new ClientClosed());
      return;
    }
    const { ackDeadlineMs, ...request } = this.#request;
    const ackDeadline = ackDeadlineMs === undefined ? undefined : durationFromMs(ackDeadlineMs);
    const whole = { ...request, claims: [], ackDeadline, resume: undefined };
    const [channels, watch, environment, endpoint] = [this.#channels, this.#watch, this.#environment, this.#endpoint];
    this.#stream = new ResumableStream({ channels, watch, environment, endpoint }, () => whole, {
      accepted: (terms) => {
        this.#onAccepted(terms);
      },
      deliveries: (deliveries, batch) => {
        this.#events.deliveries(deliveries, { stream: 0, batch });
      },
      draining: () => undefined, // The gateway says so only before it ends the stream.
      lost: () => {
        this.#events.lost();
      },
      ended: (error) => {
        this.#onStreamEnd(error);
      },
    });
    if (this.#paused) {
      this.#stream.pause();
    }
  }

  #onAccepted(terms: SubscribeAccepted): void {
    this.#backoff.reset();
    if (!this.#accepted) {
      this.#accepted = true;
      this.#events.accepted(terms);
    }
  }

  #onStreamEnd(error: HermesError): void {
    this.#stream = undefined;
    this.#events.lost();
    if (failureOf(error) === 'final') {
      this.#end(error);
      return;
    }
    this.#cancelRetry = this.#environment.timers.after(retryDelayMs(this.#backoff, error), () => {
      this.#open();
    });
  }

  #end(error: HermesError): void {
    this.#events.ended(error);
  }
}
