import { durationFromMs, type HermesError, type SubscribeAccepted } from '@hermes/contracts';
import { Backoff, type CancelTimer } from '@hermes/runtime';
import { type Channels } from './channels.js';
import { type Environment } from './environment.js';
import { failureOf } from './failure.js';
import { OwnerStream, type SilenceWatch } from './owner-stream.js';
import { type Subscription, type SubscriptionEvents, type SubscriptionRequest } from './subscription.js';

const RECONNECT_BACKOFF = { initialMs: 100, maxMs: 5_000 };

/** A subscription at a gateway, which holds the leases: one stream, opened again when it breaks. */
export class GatewaySubscription implements Subscription {
  readonly #channels: Channels;
  readonly #watch: SilenceWatch;
  readonly #environment: Environment;
  readonly #endpoint: string;
  readonly #request: SubscriptionRequest;
  readonly #events: SubscriptionEvents;
  readonly #backoff: Backoff;
  #stream: OwnerStream | undefined;
  #cancelRetry: CancelTimer | undefined;
  #accepted = false;
  #paused = false;
  #over = false;

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
    this.#over = true;
    this.#cancelRetry?.();
    this.#stream?.cancel();
  }

  #open(): void {
    const { ackDeadlineMs, ...request } = this.#request;
    const ackDeadline = ackDeadlineMs === undefined ? undefined : durationFromMs(ackDeadlineMs);
    const whole = { ...request, claims: [], ackDeadline, resume: undefined };
    const at = { channels: this.#channels, watch: this.#watch, endpoint: this.#endpoint };
    this.#stream = new OwnerStream(at, whole, {
      accepted: (terms) => {
        this.#onAccepted(terms);
      },
      deliveries: (deliveries) => {
        this.#events.deliveries(deliveries);
      },
      ended: (error) => {
        this.#onEnd(error);
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

  #onEnd(error: HermesError): void {
    this.#stream = undefined;
    if (this.#over) {
      return;
    }
    this.#events.lost();
    if (failureOf(error) === 'final' && error.code !== 'SLOW_CONSUMER') {
      this.#over = true;
      this.#events.ended(error);
      return;
    }
    this.#cancelRetry = this.#environment.timers.after(this.#backoff.nextDelayMs(), () => {
      this.#open();
    });
  }
}
