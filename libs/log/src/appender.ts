import { type Clock, createDeferred, type Deferred, type Random, random53 } from '@hermes/runtime';

import { AppendBatch, type NewRecord } from './append-batch.js';
import type { ByteBudget } from './byte-budget.js';
import type { AppendOutcome, DefiniteAppendOutcome, Fenced, Full, MessageLog, Refused } from './message-log.js';
import type { RecordBlock } from './record-block.js';
import { StoreError } from './store-error.js';
import type { TailLane } from './tail-lane.js';

/** What became of one `append`; its records are stored next to each other or not at all. */
export type AppendResult =
  | { readonly kind: 'appended'; readonly firstOffset: number; readonly appendedAtMs: number }
  /** The queue is full; nothing was stored. `room` resolves when it is worth trying again. */
  | { readonly kind: 'backpressure'; readonly retryAfterMs: number }
  /** The deadline passed, or an earlier append of its chain failed, before storage work began; nothing was stored. */
  | { readonly kind: 'expired' }
  /** The lane was given up while its store did not know the outcome. */
  | { readonly kind: 'unknown' }
  | Fenced
  | Full
  | Refused;

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

export interface AppenderOptions {
  readonly log: MessageLog;
  /** Gets every appended block before the callers get their answers. */
  readonly tail: TailLane;
  /** Shared by all lanes of the process. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of every appended block, after the tail cache and before the callers. Must not throw. */
  readonly onAppended?: (block: RecordBlock) => void;
  /** Told once that a newer owner has fenced the lane. Must not throw. */
  readonly onFenced?: (epoch: number) => void;
  readonly bounds?: Partial<AppenderBounds>;
  /** Runs the gathering of a batch after the events that wait now: `setImmediate` unless a test says otherwise. */
  readonly defer?: (run: () => void) => void;
}

/** Totals since the start, for metrics. */
export interface AppenderCounters {
  batches: number;
  records: number;
  bytes: number;
  backpressured: number;
  expired: number;
}

/** Appends that depend on each other: once one of them is not stored, none that comes after it is. */
export interface AppendChain {
  broken: boolean;
}

interface Waiting {
  readonly chain: AppendChain | undefined;
  readonly records: readonly NewRecord[];
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly result: Deferred<AppendResult>;
}

/**
 * Group commit of one lane: one batch is under way while the next one gathers, bounded in records and bytes.
 *
 * Order of calls is order of offsets. A batch's records become visible in the tail cache before any of its callers is
 * answered. Once fenced, everything that waits fails definitely and so does every later call.
 */
export class Appender {
  readonly counters: AppenderCounters = { batches: 0, records: 0, bytes: 0, backpressured: 0, expired: 0 };
  readonly #options: AppenderOptions;
  readonly #bounds: AppenderBounds;
  #waiting: Waiting[] = [];
  #underWay: readonly Waiting[] = [];
  #pendingRecords = 0;
  #pendingBytes = 0;
  #scheduled = false;
  #ended: AppendResult | undefined;
  #idle: Deferred<void> | undefined;
  #room: Deferred<void> | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#bounds = { ...APPENDER_BOUNDS_DEFAULT, ...options.bounds };
  }

  get pendingRecords(): number {
    return this.#pendingRecords;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /**
   * Appends `records` (at least one) in order and answers when they are durable. Their bytes must not change until
   * then. `deadlineMs` is on the monotonic clock; a call whose batch is under way is not given up at its deadline: a
   * caller that stops waiting must take the outcome as unknown. A chain spans calls, of one lane or of several.
   */
  append(records: readonly NewRecord[], deadlineMs: number, chain?: AppendChain): Promise<AppendResult> {
    if (this.#ended !== undefined) {
      return Promise.resolve(this.#ended);
    }
    const bytes = sizeOf(records);
    if (!this.#admits(records.length, bytes)) {
      this.counters.backpressured += 1;
      return Promise.resolve({ kind: 'backpressure', retryAfterMs: this.#bounds.retryAfterMs });
    }
    const result = createDeferred<AppendResult>();
    this.#waiting.push({ records, bytes, deadlineMs, chain, result });
    this.#pendingRecords += records.length;
    this.#pendingBytes += bytes;
    this.#schedule();
    return result.promise;
  }

  /** Resolves when half of the queue and of the budget is free: how a stream waits instead of being refused. */
  async room(): Promise<void> {
    while (this.#ended === undefined && !(this.#hasRoom() && this.#options.budget.hasRoom())) {
      await (this.#hasRoom() ? this.#options.budget.room() : (this.#room ??= createDeferred()).promise);
    }
  }

  /** Resolves when nothing waits and nothing is under way. */
  flush(): Promise<void> {
    if (this.#isIdle()) {
      return Promise.resolve();
    }
    this.#idle ??= createDeferred();
    return this.#idle.promise;
  }

  /** Takes no more calls and flushes. What is still unanswered when `abandon` is called is `unknown`. */
  close(): Promise<void> {
    const error = new StoreError('closed', 'the lane is closed');
    const waiting = this.flush();
    this.#ended ??= { kind: 'refused', error };
    return waiting;
  }

  /** Answers at once: what is under way is `unknown`, what waits was never tried. */
  abandon(): void {
    this.#ended ??= { kind: 'refused', error: new StoreError('closed', 'the lane is closed') };
    this.#answer(this.#underWay, () => ({ kind: 'unknown' }));
    this.#underWay = [];
    this.#failWaiting(this.#ended);
    this.#signal();
  }

  #admits(records: number, bytes: number): boolean {
    const { queueRecordsMax, queueBytesMax } = this.#bounds;
    const fits =
      this.#pendingRecords === 0 ||
      (this.#pendingRecords + records <= queueRecordsMax && this.#pendingBytes + bytes <= queueBytesMax);
    return fits && this.#options.budget.take(bytes);
  }

  #hasRoom(): boolean {
    const { queueRecordsMax, queueBytesMax } = this.#bounds;
    return this.#pendingRecords <= queueRecordsMax / 2 && this.#pendingBytes <= queueBytesMax / 2;
  }

  #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#underWay.length === 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay.length > 0 || this.#waiting.length === 0) {
      return;
    }
    this.#scheduled = true;
    (this.#options.defer ?? setImmediate)(() => {
      this.#scheduled = false;
      void this.#writeNext();
    });
  }

  async #writeNext(): Promise<void> {
    const entries = this.#gather();
    if (entries.length === 0) {
      this.#signal();
      return;
    }
    this.#underWay = entries;
    try {
      this.#finish(entries, await this.#write(entries));
    } catch (error) {
      // Not a store's answer but a bug: the callers get it, and the process' handler of rejections ends it.
      for (const { result } of entries) {
        result.reject(error as Error);
      }
      throw error;
    }
  }

  /** Takes whole calls off the queue up to the batch's bounds; a call above them goes alone. */
  #gather(): Waiting[] {
    const nowMs = this.#options.clock.monotonicMs();
    const entries: Waiting[] = [];
    let records = 0;
    let bytes = 0;
    let taken = 0;
    for (const entry of this.#waiting) {
      if (entry.deadlineMs > nowMs && entry.chain?.broken !== true) {
        records += entry.records.length;
        bytes += entry.bytes;
        if (entries.length > 0 && (records > this.#bounds.batchRecordsMax || bytes > this.#bounds.batchBytesMax)) {
          break;
        }
        entries.push(entry);
      } else {
        this.counters.expired += 1;
        this.#answer([entry], () => ({ kind: 'expired' }));
      }
      taken += 1;
    }
    this.#waiting = this.#waiting.slice(taken);
    return entries;
  }

  async #write(entries: readonly Waiting[]): Promise<DefiniteAppendOutcome> {
    const records = entries.length === 1 ? (entries[0]?.records ?? []) : entries.flatMap((entry) => entry.records);
    const batch = AppendBatch.pack(random53(this.#options.random), records);
    try {
      const outcome: AppendOutcome = await this.#options.log.append(batch);
      // Nothing else may use these offsets until the outcome is definite: the lane waits here.
      return outcome.kind === 'inDoubt' ? await outcome.resolution : outcome;
    } catch (error) {
      if (error instanceof StoreError) {
        return { kind: 'refused', error };
      }
      throw error;
    }
  }

  #finish(entries: readonly Waiting[], outcome: DefiniteAppendOutcome): void {
    if (outcome.kind === 'appended') {
      this.#publish(outcome.block);
    }
    if (this.#underWay === entries) {
      this.#underWay = [];
      this.#answerAll(entries, outcome);
    }
    if (outcome.kind === 'fenced') {
      this.#standDown(outcome);
    }
    this.#signal();
    this.#schedule();
  }

  #publish(block: RecordBlock): void {
    this.counters.batches += 1;
    this.counters.records += block.count;
    this.counters.bytes += block.recordBytes;
    this.#options.tail.append(block);
    this.#options.onAppended?.(block);
  }

  #answerAll(entries: readonly Waiting[], outcome: DefiniteAppendOutcome): void {
    if (outcome.kind !== 'appended') {
      breakChains(entries);
      this.#answer(entries, () => outcome);
      return;
    }
    let index = 0;
    this.#answer(entries, (entry) => {
      const firstOffset = outcome.block.offset(index);
      const appendedAtMs = outcome.block.appendedAtMs(index);
      index += entry.records.length;
      return { kind: 'appended', firstOffset, appendedAtMs };
    });
  }

  #standDown(fenced: Fenced): void {
    this.#ended = fenced;
    this.#failWaiting(fenced);
    this.#options.onFenced?.(fenced.epoch);
  }

  #failWaiting(result: AppendResult): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#answer(waiting, () => result);
  }

  #answer(entries: readonly Waiting[], resultOf: (entry: Waiting) => AppendResult): void {
    for (const entry of entries) {
      this.#pendingRecords -= entry.records.length;
      this.#pendingBytes -= entry.bytes;
      this.#options.budget.give(entry.bytes);
      entry.result.resolve(resultOf(entry));
    }
  }

  #signal(): void {
    if (this.#room !== undefined && (this.#hasRoom() || this.#ended !== undefined)) {
      this.#room.resolve();
      this.#room = undefined;
    }
    if (this.#idle !== undefined && this.#isIdle()) {
      this.#idle.resolve();
      this.#idle = undefined;
    }
  }
}

/** Before the next batch is gathered, so that nothing of a broken chain gets into it. */
function breakChains(entries: readonly Waiting[]): void {
  for (const { chain } of entries) {
    if (chain !== undefined) {
      chain.broken = true;
    }
  }
}

function sizeOf(records: readonly NewRecord[]): number {
  let bytes = 0;
  for (const { record, refKey } of records) {
    bytes += record.length + (refKey?.length ?? 0);
  }
  return bytes;
}
