import { type Chain } from '@hermes/client/cluster';
import { HermesError, type PublishStreamResponse, type RawPublishRequest } from '@hermes/contracts';
import { type BidiStream } from '@hermes/kit';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { append, type Append, type AppendDeps, responseOf } from './append.js';
import { stepLimitsOf } from './call-limits.js';

/** Requests that are read and not answered; beyond, nothing is read: HTTP/2 holds the caller back. */
const PIPELINE_REQUESTS_MAX = 64;
const PIPELINE_BYTES_MAX = 4 * 1024 * 1024;

interface Pending {
  readonly appended: Append | HermesError;
  readonly bytes: number;
}

/**
 * One PublishStream: requests are queued as they come, answers leave in order. After a retryable failure nothing
 * more is read or sent to an owner; what was read is still answered, then the stream ends with that failure.
 */
export class PublishStream {
  readonly #deps: AppendDeps;
  readonly #stream: BidiStream<RawPublishRequest, PublishStreamResponse>;
  readonly #chain: Chain = {};
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  /** A request is being queued: it may be stored, so it must be answered. */
  #queueing = false;
  #readEnded = false;
  #draining = false;
  #arrived: Deferred<void> | undefined;
  #answered: Deferred<void> | undefined;

  constructor(deps: AppendDeps, stream: BidiStream<RawPublishRequest, PublishStreamResponse>) {
    this.#deps = deps;
    this.#stream = stream;
  }

  /**
   * Ends when the caller has ended its half and every answer is written; throws what ends the stream. Once `drain`
   * aborts nothing more is read, what was read is answered, and the stream ends DRAINING.
   */
  async run(drain: AbortSignal): Promise<void> {
    const reading = this.#read().finally(() => {
      this.#readEnded = true;
      this.#arrived?.resolve();
    });
    // The writer's failure is the stream's; what the reader says afterwards is a consequence of it.
    reading.catch(() => undefined);
    const onDrain = (): void => {
      this.#draining = true;
      this.#arrived?.resolve();
      this.#answered?.resolve();
    };
    drain.addEventListener('abort', onDrain, { once: true });
    try {
      await this.#write();
    } finally {
      drain.removeEventListener('abort', onDrain);
    }
    if (this.#draining) {
      throw new HermesError('DRAINING', 'the gateway is stopping');
    }
    await reading;
  }

  async #read(): Promise<void> {
    for await (const request of this.#stream) {
      const bytes = request.messages.reduce((sum, message) => sum + message.length, 0);
      await this.#room(bytes);
      if (this.#chain.failed !== undefined || this.#draining) {
        return;
      }
      this.#queueing = true;
      const appended = await this.#append(request).finally(() => {
        this.#queueing = false;
      });
      this.#pending.push({ appended, bytes });
      this.#pendingBytes += bytes;
      this.#arrived?.resolve();
      if (appended instanceof HermesError) {
        return;
      }
    }
  }

  async #append(request: RawPublishRequest): Promise<Append | HermesError> {
    const limits = stepLimitsOf(this.#stream, this.#deps.environment);
    try {
      return await append(this.#deps, request, { limits, wait: true, chain: this.#chain });
    } catch (error) {
      if (error instanceof HermesError) {
        this.#chain.failed ??= error;
        return error;
      }
      throw error;
    }
  }

  async #write(): Promise<void> {
    while (!this.#isDone()) {
      const next = this.#pending.shift();
      if (next === undefined) {
        this.#arrived = createDeferred();
        await this.#arrived.promise;
        continue;
      }
      if (next.appended instanceof HermesError) {
        throw next.appended;
      }
      const response = responseOf(await next.appended.outcomes);
      this.#pendingBytes -= next.bytes;
      this.#answered?.resolve();
      if (!this.#stream.write(response)) {
        await this.#stream.drained();
      }
    }
    if (this.#chain.failed !== undefined) {
      throw this.#chain.failed;
    }
  }

  /** True once everything that was read is answered and nothing more will be read. */
  #isDone(): boolean {
    const mayEnd = this.#readEnded || this.#draining || this.#chain.failed !== undefined;
    return mayEnd && !this.#queueing && this.#pending.length === 0;
  }

  async #room(bytes: number): Promise<void> {
    while (
      this.#pending.length > 0 &&
      !this.#draining &&
      (this.#pending.length >= PIPELINE_REQUESTS_MAX || this.#pendingBytes + bytes > PIPELINE_BYTES_MAX)
    ) {
      this.#answered = createDeferred();
      await this.#answered.promise;
    }
  }
}
