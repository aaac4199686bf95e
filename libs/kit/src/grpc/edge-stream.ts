import { type Metadata } from '@grpc/grpc-js';
import { type Deferred, createDeferred } from '@hermes/runtime';
import { type Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { type EdgeCall } from './edge-call.js';
import { type BidiStream, type Method } from './handlers.js';
import { decodeRequest } from './decode-request.js';

/** A stream whose peer does not read holds at most this, and one frame: enough for one round trip at full speed. */
const BUFFER_BYTES_MAX = 1_048_576;
const BUFFER_FRAMES_MAX = 256;

/** Node closes a reset HTTP/2 stream this many turns after its input's end at the most. */
const LOST_CALLER_TURNS = 4;

/** What is needed of grpc-js' writable half. */
interface Sink {
  write(bytes: Buffer, onTaken: () => void): unknown;
}

/** The one place that writes to a stream: it counts what the transport has not taken yet. */
export class EdgeStream<Request, Response> implements BidiStream<Request, Response> {
  readonly #call: EdgeCall;
  readonly #method: Method<Request, Response>;
  readonly #raw: Sink;
  #bufferedBytes = 0;
  #bufferedFrames = 0;
  #room: Deferred<void> | undefined;
  #empty: Deferred<void> | undefined;

  constructor(call: EdgeCall, method: Method<Request, Response>, raw: Sink) {
    this.#call = call;
    this.#method = method;
    this.#raw = raw;
    call.onEnd = (reason): void => {
      this.#room?.reject(reason);
    };
  }

  get method(): string {
    return this.#call.method;
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }

  get peer(): string {
    return this.#call.peer;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  write(frame: Response): boolean {
    if (this.#call.over) {
      return false;
    }
    const bytes = this.#method.responseSerialize(frame);
    this.#bufferedBytes += bytes.length;
    this.#bufferedFrames += 1;
    this.#raw.write(bytes, () => {
      this.#taken(bytes.length);
    });
    return !this.#full(1);
  }

  async drained(): Promise<void> {
    if (this.#call.ended !== undefined) {
      throw this.#call.ended;
    }
    if (this.#full(1)) {
      this.#room ??= createDeferred();
      await this.#room.promise;
    }
  }

  /**
   * Resolves once the transport has taken all that was written. An error that is sent before would be lost: it also
   * ends the iteration of the requests, which destroys a stream that still has something to write.
   */
  async flushed(): Promise<void> {
    if (this.#bufferedFrames > 0) {
      this.#empty ??= createDeferred();
      await this.#empty.promise;
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Request> {
    const source = this.#raw as unknown as Readable;
    try {
      // Leaving the loop early must not destroy the answering half with it.
      for await (const bytes of source.iterator({ destroyOnReturn: false })) {
        yield decodeRequest(this.#method, bytes as Buffer);
      }
    } catch (error) {
      throw this.#call.ended ?? error;
    }
    // A lost caller looks like a half-close first; a few turns of the loop later it is known as what it is.
    for (let turn = 0; turn < LOST_CALLER_TURNS && this.#call.ended === undefined; turn += 1) {
      await setImmediate();
    }
    if (this.#call.ended !== undefined) {
      throw this.#call.ended;
    }
  }

  #taken(byteCount: number): void {
    this.#bufferedBytes -= byteCount;
    this.#bufferedFrames -= 1;
    if (this.#bufferedFrames === 0) {
      this.#empty?.resolve();
    }
    // Half empty before writing goes on: fewer, larger turns.
    if (this.#room !== undefined && !this.#full(2)) {
      const room = this.#room;
      this.#room = undefined;
      room.resolve();
    }
  }

  #full(share: number): boolean {
    return this.#bufferedBytes >= BUFFER_BYTES_MAX / share || this.#bufferedFrames >= BUFFER_FRAMES_MAX / share;
  }
}
