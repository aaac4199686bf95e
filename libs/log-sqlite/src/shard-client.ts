import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { StoreError } from '@hermes/log';
import { createDeferred, type Deferred, Slots } from '@hermes/runtime';

import type {
  CallName,
  ErrorAnswer,
  ShardAnswer,
  ShardCalls,
  ShardMessage,
  WriteAnswer,
  WriteRequest,
} from './shard-protocol.js';

/** The compiled entry, also when this file runs from source. */
const WORKER_PATH = join(__dirname, '..', 'dist', 'shard-worker.js');

/** What one write came to; the buffer is the append's, given back. */
export interface WriteReply {
  readonly answer: WriteAnswer;
  readonly buffer: ArrayBuffer | undefined;
}

/** A request that is not answered; its id is its slot. */
type Unanswered =
  | { readonly kind: 'write'; readonly reply: Deferred<WriteReply> }
  | { readonly kind: 'call'; readonly answer: Deferred<unknown> };

type Distributed<T> = T extends WriteRequest ? Omit<T, 'id'> : never;

/** The main thread's side of a shard: every call is a message, every answer a promise. */
export class ShardClient {
  readonly #worker: Worker;
  readonly #unanswered = new Slots<Unanswered>();
  readonly #onFatal: (error: StoreError) => void;
  #isStopped = false;

  constructor(name: string, onFatal: (error: StoreError) => void) {
    this.#onFatal = onFatal;
    this.#worker = new Worker(WORKER_PATH, { name });
    this.#worker.on('message', (message: ShardMessage) => {
      this.#receive(message);
    });
    this.#worker.on('error', (error: unknown) => {
      this.#fail(new StoreError('fatal', `the thread of ${name} failed`, { cause: error }));
    });
    this.#worker.on('exit', () => {
      this.#fail(new StoreError('fatal', `the thread of ${name} ended`));
    });
  }

  /** Fails with the StoreError that the worker met. */
  call<Name extends CallName>(op: Name, args: ShardCalls[Name]['arguments']): Promise<ShardCalls[Name]['answer']> {
    if (this.#isStopped) {
      return Promise.reject(new StoreError('closed', 'the store is closed'));
    }
    const answer = createDeferred<unknown>();
    const id = this.#unanswered.add({ kind: 'call', answer });
    this.#worker.postMessage({ ...args, op, id });
    return answer.promise as Promise<ShardCalls[Name]['answer']>;
  }

  /**
   * Writes. The buffers in `transfer` are moved to the worker. Once the worker has failed the outcome is not known and
   * the promise stays open: the process is about to exit.
   */
  write(request: Distributed<WriteRequest>, transfer: ArrayBuffer[]): Promise<WriteReply> {
    if (this.#isStopped) {
      const error = { kind: 'closed' as const, message: 'the store is closed', details: {} };
      return Promise.resolve({ answer: { kind: 'refused', error }, buffer: undefined });
    }
    const reply = createDeferred<WriteReply>();
    const id = this.#unanswered.add({ kind: 'write', reply });
    this.#worker.postMessage({ ...request, id }, transfer);
    return reply.promise;
  }

  /** Lets the worker finish what waits, close its file and end. */
  async stop(): Promise<void> {
    if (!this.#isStopped) {
      const stopped = this.call('stop', {});
      this.#isStopped = true;
      await stopped;
      await this.#worker.terminate();
    }
  }

  #receive(message: ShardMessage): void {
    if ('fatal' in message) {
      this.#fail(toStoreError(message.fatal));
      return;
    }
    for (const answer of message.answers) {
      this.#resolve(answer);
    }
  }

  #resolve(answer: ShardAnswer): void {
    const request = this.#unanswered.take(answer.id);
    if (request?.kind === 'call') {
      if ('error' in answer) {
        request.answer.reject(toStoreError(answer.error));
      } else {
        request.answer.resolve(answer.answer);
      }
    } else if ('answer' in answer) {
      request?.reply.resolve({ answer: answer.answer as WriteAnswer, buffer: answer.buffer });
    }
  }

  #fail(error: StoreError): void {
    if (this.#isStopped) {
      return;
    }
    this.#isStopped = true;
    for (const request of this.#unanswered) {
      if (request.kind === 'call') {
        request.answer.reject(error);
      }
    }
    this.#unanswered.clear();
    this.#onFatal(error);
  }
}

/** The StoreError that crossed as `answer`. */
export function toStoreError(answer: ErrorAnswer): StoreError {
  return new StoreError(answer.kind, answer.message, { details: answer.details });
}
