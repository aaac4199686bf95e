import { HermesError, type RawPublishRequest } from '@hermes/contracts';
import { type BidiStream } from '@hermes/kit';
import { type AppendChain, type AppendResult } from '@hermes/log';
import { createDeferred, type Deferred } from '@hermes/runtime';
import { type LaneShare } from './publish-plan.js';
import { type PublishAnswer } from './publish-execution.js';
import { type Publisher } from './publisher.js';

/** Requests of one stream that are read and not answered: several group commits deep. */
const PIPELINE_REQUESTS_MAX = 256;

/** Bytes of the same: a few of one lane's batches. */
const PIPELINE_BYTES_MAX = 8 * 1024 * 1024;

interface Pending {
  readonly answer: Promise<PublishAnswer>;
  readonly bytes: number;
}

/**
 * One PublishStream: requests are appended as they come, answers leave in order. What cannot be queued is not read,
 * so a full queue becomes HTTP/2 flow control. A retryable failure ends the stream once all earlier answers are out,
 * and nothing that came after it is appended: the stream is one AppendChain.
 */
export class PublishStream {
  readonly #publisher: Publisher;
  readonly #stream: BidiStream<RawPublishRequest, Buffer>;
  readonly #chain: AppendChain = { broken: false };
  #pending: Pending[] = [];
  #pendingBytes = 0;
  /** A request is being queued: it may be stored, so it must be answered. */
  #queueing = false;
  #readEnded = false;
  #draining = false;
  #arrived: Deferred<void> | undefined;
  #answered: Deferred<void> | undefined;

  constructor(publisher: Publisher, stream: BidiStream<RawPublishRequest, Buffer>) {
    this.#publisher = publisher;
    this.#stream = stream;
  }

  /**
   * Ends when the caller has ended its half and every answer is written; throws what ends the stream. Once `drain`
   * aborts, what was read is answered and the stream ends DRAINING.
   */
  async run(drain: AbortSignal): Promise<void> {
    const reading = this.#read();
    const onDrain = (): void => {
      this.#draining = true;
      this.#arrived?.resolve();
      this.#answered?.resolve();
    };
    drain.addEventListener('abort', onDrain, { once: true });
    // The writer's failure is the stream's; what the reader says afterwards is a consequence of it.
    reading.catch(() => undefined);
    try {
      await this.#write();
    } finally {
      drain.removeEventListener('abort', onDrain);
      this.#chain.broken = true;
      this.#answered?.resolve();
    }
    if (this.#draining) {
      throw new HermesError('DRAINING', 'the broker is stopping');
    }
    await reading;
  }

  async #read(): Promise<void> {
    try {
      for await (const request of this.#stream) {
        const bytes = request.messages.reduce((sum, message) => sum + message.length, 0);
        await this.#room(bytes);
        if (this.#chain.broken || this.#draining) {
          return;
        }
        this.#queueing = true;
        const { answer, isRefused } = await this.#begin(request).finally(() => {
          this.#queueing = false;
        });
        // Awaited by the writer, in order; until then a failure is nobody's.
        answer.catch(() => undefined);
        this.#pending.push({ answer, bytes });
        this.#pendingBytes += bytes;
        this.#arrived?.resolve();
        if (isRefused) {
          return;
        }
      }
    } finally {
      this.#readEnded = true;
      this.#arrived?.resolve();
    }
  }

  async #write(): Promise<void> {
    for (;;) {
      const next = this.#pending.shift();
      if (next === undefined) {
        if ((this.#readEnded || this.#draining) && !this.#queueing) {
          return;
        }
        this.#arrived = createDeferred();
        await this.#arrived.promise;
        continue;
      }
      const { response, failure } = await next.answer;
      this.#pendingBytes -= next.bytes;
      this.#answered?.resolve();
      await this.#send(response, failure);
    }
  }

  async #send(response: Buffer, failure: HermesError | undefined): Promise<void> {
    if (!this.#stream.write(response)) {
      await this.#stream.drained();
    }
    if (failure?.retryable === true) {
      throw failure;
    }
  }

  async #room(bytes: number): Promise<void> {
    while (
      this.#pending.length > 0 &&
      !(this.#chain.broken || this.#draining) &&
      (this.#pending.length >= PIPELINE_REQUESTS_MAX || this.#pendingBytes + bytes > PIPELINE_BYTES_MAX)
    ) {
      this.#answered = createDeferred();
      await this.#answered.promise;
    }
  }

  /**
   * Resolves once the request is queued, with the promise of its answer: the next one must not overtake it. One that is
   * refused as a whole is the last of the stream; those before it are on their way and stay so.
   */
  async #begin(request: RawPublishRequest): Promise<{ answer: Promise<PublishAnswer>; isRefused: boolean }> {
    try {
      await this.#publisher.opening(request);
      const plan = await this.#publisher.plan(request);
      const queued = new Map<LaneShare, Promise<AppendResult>>();
      for (const share of plan.shares) {
        queued.set(share, (await this.#enqueue(share)).result);
      }
      const answer = this.#publisher.execute(plan, (share) => queued.get(share) ?? NEVER_TRIED);
      return { answer, isRefused: false };
    } catch (error) {
      return { answer: failed(error), isRefused: true };
    }
  }

  /** Waits for room instead of being refused. */
  async #enqueue({ lane, records }: LaneShare): Promise<{ result: Promise<AppendResult> }> {
    for (;;) {
      const before = lane.appender.pendingRecords;
      const result = lane.appender.append(records, Number.POSITIVE_INFINITY, this.#chain);
      if (lane.appender.pendingRecords > before) {
        return { result };
      }
      const refused = await result;
      if (refused.kind !== 'backpressure') {
        return { result };
      }
      await lane.appender.room();
      if (this.#chain.broken) {
        return { result: NEVER_TRIED };
      }
    }
  }
}

function failed(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : new Error(String(error)));
}

const NEVER_TRIED: Promise<AppendResult> = Promise.resolve({ kind: 'expired' });
