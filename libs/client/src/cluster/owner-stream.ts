import { type ClientReadableStream } from '@grpc/grpc-js';
import {
  fromServiceError,
  HermesError,
  LIMITS,
  type RawDelivery,
  type RawSubscribeResponse,
  type SubscribeAccepted,
  type SubscribeRequest,
} from '@hermes/contracts';
import { type Channels } from './channels.js';
import { SUBSCRIBE } from './methods.js';
import { type SilenceWatch, type Watched } from './silence-watch.js';

/** What a stream tells. */
export interface OwnerStreamEvents {
  accepted(terms: SubscribeAccepted): void;
  /** `batch` is the server's number of the frame. */
  deliveries(deliveries: RawDelivery[], batch: number): void;
  /** Nothing more comes of these partitions; none named: of all, and `ended` follows. */
  draining(partitions: readonly number[]): void;
  /** Nothing more comes. Not called after `cancel`. */
  ended(error: HermesError): void;
}

/** One Subscribe stream at one server. It counts as broken after 15 s without a frame. */
export class OwnerStream implements Watched {
  readonly endpoint: string;
  readonly #stream: ClientReadableStream<RawSubscribeResponse>;
  readonly #watch: SilenceWatch;
  readonly #events: OwnerStreamEvents;
  /** Silence counts from here; paused streams are not silent. */
  #heardAtMs: number;
  #over = false;

  constructor(
    at: { readonly channels: Channels; readonly watch: SilenceWatch; readonly endpoint: string },
    request: SubscribeRequest,
    events: OwnerStreamEvents,
  ) {
    const { channels, watch, endpoint } = at;
    this.endpoint = endpoint;
    this.#watch = watch;
    this.#events = events;
    this.#heardAtMs = watch.nowMs;
    this.#stream = channels.serverStream(endpoint, SUBSCRIBE, request);
    let error: HermesError | undefined;
    this.#stream.on('data', (response: RawSubscribeResponse) => {
      this.#onFrame(response);
    });
    this.#stream.on('error', (cause) => {
      error = fromServiceError(cause);
    });
    this.#stream.on('status', () => {
      this.#end(error ?? new HermesError('DRAINING', `${endpoint} has ended the subscription`));
    });
    watch.add(this);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#heardAtMs = this.#watch.nowMs;
    this.#stream.resume();
  }

  /** Ends it; no event follows. */
  cancel(): void {
    this.#over = true;
    this.#watch.delete(this);
    this.#stream.cancel();
  }

  /** Called by the watch. */
  look(nowMs: number): void {
    if (!this.#stream.isPaused() && nowMs - this.#heardAtMs > LIMITS.silenceMs) {
      const error = new HermesError('OUTCOME_UNKNOWN', `${this.endpoint} was silent for ${LIMITS.silenceMs} ms`);
      this.#end(error);
      this.#stream.cancel();
    }
  }

  #onFrame({ frame }: RawSubscribeResponse): void {
    if (this.#over) {
      return;
    }
    this.#heardAtMs = this.#watch.nowMs;
    if (frame?.$case === 'batch') {
      this.#events.deliveries(frame.value.deliveries, frame.value.sequence);
    } else if (frame?.$case === 'accepted') {
      this.#events.accepted(frame.value);
    } else if (frame?.$case === 'draining') {
      this.#events.draining(frame.value.partitions);
    }
  }

  #end(error: HermesError): void {
    if (!this.#over) {
      this.#over = true;
      this.#watch.delete(this);
      this.#events.ended(error);
    }
  }
}
