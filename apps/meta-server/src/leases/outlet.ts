import { HermesError, invalidField } from '@hermes/contracts';
import { type BidiStream } from '@hermes/kit';
import { createDeferred, type Timers } from '@hermes/runtime';

/** What a holder may leave unread: some pushes of everything that it holds. */
const UNREAD_BYTES_MAX = 4 * 1_048_576;
/** A stream that says nothing at all holds a place that others may need. */
const FIRST_FRAME_MS = 10_000;

/** One lease stream, from the leases' side: frames out, frames in, and an end from either side. */
export class Outlet<Request, Response> {
  readonly #stream: BidiStream<Request, Response>;
  readonly #timers: Timers;
  readonly #closed = createDeferred<never>();
  #over = false;

  constructor(stream: BidiStream<Request, Response>, timers: Timers) {
    this.#stream = stream;
    this.#timers = timers;
    // Before `serve` waits for it, a close is no unhandled failure.
    this.#closed.promise.catch(() => undefined);
  }

  /** Its connection. */
  get peer(): string {
    return this.#stream.peer;
  }

  /** Sends a frame; a holder that does not read is ended with SLOW_CONSUMER. */
  send(frame: Response): void {
    if (this.#over) {
      return;
    }
    if (this.#stream.bufferedBytes > UNREAD_BYTES_MAX) {
      this.close(new HermesError('SLOW_CONSUMER', 'the lease stream is not read'));
      return;
    }
    this.#stream.write(frame);
  }

  /** Ends the stream with `error`; what was sent before still goes out. */
  close(error: HermesError): void {
    this.#over = true;
    this.#closed.reject(error);
  }

  /** Reads the stream with `take` until it ends; throws what `take` throws, or what the stream was closed with. */
  async serve(take: (frame: Request) => void): Promise<void> {
    const cancel = this.#timers.after(FIRST_FRAME_MS, () => {
      this.close(invalidField('kind', `a first message within ${FIRST_FRAME_MS} ms`));
    });
    const reading = async (): Promise<void> => {
      for await (const frame of this.#stream) {
        cancel();
        if (this.#over) {
          return;
        }
        take(frame);
      }
    };
    try {
      await Promise.race([reading(), this.#closed.promise]);
    } finally {
      cancel();
      this.#over = true;
    }
  }
}
