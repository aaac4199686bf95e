import { type RawDelivery, RawMessagingService } from '@hermes/contracts';
import { type Call, type ResponseStream } from '@hermes/kit';
import { createDeferred } from '@hermes/runtime';

/** The stream of a pull: it keeps what a subscription would send. */
export class PullCollector implements ResponseStream<Buffer> {
  readonly method: string;
  readonly metadata: Call['metadata'];
  readonly peer: string;
  readonly signal: AbortSignal;
  readonly bufferedBytes = 0;
  readonly deliveries: RawDelivery[] = [];
  readonly #call: Call;
  readonly #first = createDeferred<this>();

  constructor(call: Call) {
    this.#call = call;
    this.method = call.method;
    this.metadata = call.metadata;
    this.peer = call.peer;
    this.signal = call.signal;
  }

  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }

  /** Resolves with this, at the first delivery. */
  get first(): Promise<this> {
    return this.#first.promise;
  }

  write(bytes: Buffer): boolean {
    const { frame } = RawMessagingService.subscribe.responseDeserialize(bytes);
    if (frame?.$case === 'batch') {
      this.deliveries.push(...frame.value.deliveries);
      this.#first.resolve(this);
    }
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }
}
