import { type Clock, createDeferred, type Deferred } from '@hermes/runtime';

import type { NewRecord } from './append-batch.js';
import type { AppendResult } from './append-result.js';
import type { ByteBudget } from './byte-budget.js';

/** Bounds of a lane's queue and batches. */
export interface AppenderBounds {
  /** Records of one batch: keeps a transaction's work short. */
  readonly batchRecordsMax: number;
  /** Bytes of one batch; two lanes' batches then share a transaction of a store. */
  readonly batchBytesMax: number;
  /** Records that wait or are under way. */
  readonly queueRecordsMax: number;
  /** Bytes that wait or are under way: about a tenth of a second of a fast disk. */
  readonly queueBytesMax: number;
  /** What a caller is told to wait when the queue is full. */
  readonly retryAfterMs: number;
}

export const APPENDER_BOUNDS_DEFAULT: AppenderBounds = {
  batchRecordsMax: 4_096,
  batchBytesMax: 2 * 1024 * 1024,
  queueRecordsMax: 20_000,
  queueBytesMax: 16 * 1024 * 1024,
  retryAfterMs: 100,
};

/** Appends that depend on each other: once one of them is not stored, none that comes after it is. */
export interface AppendChain {
  broken: boolean;
}

/** One call that is not answered yet. */
export interface WaitingAppend {
  readonly chain: AppendChain | undefined;
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly result: Deferred<AppendResult>;
}

export interface AppendQueueOptions {
  readonly bounds: AppenderBounds;
  /** Shared by all lanes of the process. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  /** Whether the lane's store takes a batch of that many records and bytes. */
  readonly fits: (records: number, bytes: number) => boolean;
}

/**
 * The calls of one lane that are not answered yet, within bounds of records and bytes: those that wait, in order, and
 * those of the batch under way, which count until they are answered.
 */
export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #waiting: WaitingAppend[] = [];
  #pendingRecords = 0;
  #pendingBytes = 0;
  #room: Deferred<void> | undefined;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
  }

  /** Records that wait or are under way. */
  get pendingRecords(): number {
    return this.#pendingRecords;
  }

  /** Bytes that wait or are under way. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether no call waits for a batch. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Takes a call in; its answer, or undefined if the bounds do not allow it. An empty queue takes anything. */
  push(call: Omit<WaitingAppend, 'result'>): Promise<AppendResult> | undefined {
    if (!this.#admits(call.records.length, call.bytes)) {
      return undefined;
    }
    const result = createDeferred<AppendResult>();
    this.#waiting.push({ ...call, result });
    this.#pendingRecords += call.records.length;
    this.#pendingBytes += call.bytes;
    return result.promise;
  }

  /**
   * Takes whole calls off the queue up to a batch's bounds; a call above them goes alone. `expired` are those that it
   * met whose deadline has passed or whose chain is broken: they are off the queue too.
   */
  gather(): { readonly batch: WaitingAppend[]; readonly expired: WaitingAppend[] } {
    const nowMs = this.#options.clock.monotonicMs();
    const batch: WaitingAppend[] = [];
    const expired: WaitingAppend[] = [];
    let records = 0;
    let bytes = 0;
    for (const call of this.#waiting) {
      if (call.deadlineMs <= nowMs || call.chain?.broken === true) {
        expired.push(call);
        continue;
      }
      records += call.records.length;
      bytes += call.bytes;
      if (batch.length > 0 && !this.#allows(records, bytes)) {
        break;
      }
      batch.push(call);
    }
    this.#waiting = this.#waiting.slice(batch.length + expired.length);
    return { batch, expired };
  }

  /** Puts calls that were taken off the queue before all others. */
  putBack(calls: readonly WaitingAppend[]): void {
    this.#waiting = [...calls, ...this.#waiting];
  }

  /** Takes everything off the queue. */
  drain(): WaitingAppend[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /** Answers calls that were taken off the queue: what they held is free. */
  answer(calls: readonly WaitingAppend[], resultOf: (call: WaitingAppend) => AppendResult): void {
    for (const call of calls) {
      this.#pendingRecords -= call.records.length;
      this.#pendingBytes -= call.bytes;
      this.#options.budget.give(call.bytes);
      call.result.resolve(resultOf(call));
    }
  }

  /** Whether half of the queue and half of the budget is free. */
  hasRoom(): boolean {
    return this.#hasRoom() && this.#options.budget.hasRoom();
  }

  /** Resolves when it is worth to look at `hasRoom` again. */
  room(): Promise<void> {
    return this.#hasRoom() ? this.#options.budget.room() : (this.#room ??= createDeferred()).promise;
  }

  /** Wakes those that wait for room, if there is some or if `always`. */
  signalRoom(always: boolean): void {
    if (this.#room !== undefined && (always || this.#hasRoom())) {
      this.#room.resolve();
      this.#room = undefined;
    }
  }

  #allows(records: number, bytes: number): boolean {
    const { bounds, fits } = this.#options;
    return records <= bounds.batchRecordsMax && bytes <= bounds.batchBytesMax && fits(records, bytes);
  }

  #admits(records: number, bytes: number): boolean {
    const { queueRecordsMax, queueBytesMax } = this.#options.bounds;
    const fits =
      this.#pendingRecords === 0 ||
      (this.#pendingRecords + records <= queueRecordsMax && this.#pendingBytes + bytes <= queueBytesMax);
    return fits && this.#options.budget.take(bytes);
  }

  #hasRoom(): boolean {
    const { queueRecordsMax, queueBytesMax } = this.#options.bounds;
    return this.#pendingRecords <= queueRecordsMax / 2 && this.#pendingBytes <= queueBytesMax / 2;
  }
}
