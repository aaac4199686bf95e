import { type Clock, createDeferred, type Deferred, type Random, random53 } from '@hermes/runtime';

import { AppendBatch, type NewRecord } from './append-batch.js';
import {
  type AppendChain,
  APPENDER_BOUNDS_DEFAULT,
  type AppenderBounds,
  AppendQueue,
  type WaitingAppend,
} from './append-queue.js';
import { divide, sizeOf } from './append-parts.js';
import type { AppendResult } from './append-result.js';
import type { ByteBudget } from './byte-budget.js';
import type { AppendOutcome, DefiniteAppendOutcome, Fenced, MessageLog } from './message-log.js';
import type { RecordBlock } from './record-block.js';
import { StoreError } from './store-error.js';
import type { TailLane } from './tail-lane.js';

export interface AppenderOptions {
  readonly log: MessageLog;
  /** Gets every appended block before the callers get their answers; undefined: the log's feed fills it. */
  readonly tail: TailLane | undefined;
  /** Shared by all lanes of the process. */
  readonly budget: ByteBudget;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Asked before what was stored is acknowledged, where the store does not refuse a stale owner's append: false, and
   * nobody may rely on it.
   */
  readonly isOwner?: () => boolean;
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

/** What is known of a batch in the end: a store that is closed or lost in the middle leaves it unknown. */
type BatchOutcome = DefiniteAppendOutcome | { readonly kind: 'unknown' };

/** What of calls says whether they fit. */
type Sized = Pick<WaitingAppend, 'records' | 'bytes'>;

/**
 * Group commit of one lane: one batch is under way while the next one gathers, bounded in records and bytes.
 *
 * Order of calls is order of offsets. A batch's records become visible in the tail cache, if it has one, before any of
 * its callers is answered. Once fenced, everything that waits fails definitely and so does every later call.
 */
export class Appender {
  readonly counters: AppenderCounters = { batches: 0, records: 0, bytes: 0, backpressured: 0, expired: 0 };
  readonly #options: AppenderOptions;
  readonly #bounds: AppenderBounds;
  readonly #queue: AppendQueue;
  readonly #fits: (records: number, bytes: number) => boolean;
  #underWay: readonly WaitingAppend[] = [];
  #scheduled = false;
  #ended: AppendResult | undefined;
  #idle: Deferred<void> | undefined;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#bounds = { ...APPENDER_BOUNDS_DEFAULT, ...options.bounds };
    const { log, budget, clock } = options;
    this.#fits = (records, bytes) => log.fits(records, bytes);
    this.#queue = new AppendQueue({ bounds: this.#bounds, budget, clock, fits: this.#fits });
  }

  get pendingRecords(): number {
    return this.#queue.pendingRecords;
  }

  get pendingBytes(): number {
    return this.#queue.pendingBytes;
  }

  /**
   * Appends `records` (at least one) in order and answers when they are durable. Their bytes must not change until
   * then. `deadlineMs` is on the monotonic clock; a call whose batch is under way is not given up at its deadline: a
   * caller that stops waiting must take the outcome as unknown. A chain spans calls, of one lane or of several.
   *
   * Records that the store does not take in one batch go in parts. One that it does not take at all is refused with
   * `tooLarge`, alone: its chain goes on.
   */
  append(records: readonly NewRecord[], deadlineMs: number, chain?: AppendChain): Promise<AppendResult> {
    if (this.#ended !== undefined) {
      return Promise.resolve(this.#ended);
    }
    const call = { records, bytes: sizeOf(records), deadlineMs, chain };
    if (records.length === 1 && !this.#fits(1, call.bytes)) {
      return Promise.resolve({ kind: 'refused', error: tooLarge([call]) });
    }
    const answer = this.#queue.push(call);
    if (answer === undefined) {
      this.counters.backpressured += 1;
      return Promise.resolve({ kind: 'backpressure', retryAfterMs: this.#bounds.retryAfterMs });
    }
    this.#schedule();
    return answer;
  }

  /** Resolves when half of the queue and of the budget is free: how a stream waits instead of being refused. */
  async room(): Promise<void> {
    while (this.#ended === undefined && !this.#queue.hasRoom()) {
      await this.#queue.room();
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
    const waiting = this.flush();
    this.#ended ??= closedResult();
    return waiting;
  }

  /** Answers at once: what is under way is `unknown`, what waits was never tried. */
  abandon(): void {
    this.#ended ??= closedResult();
    this.#queue.answer(this.#underWay, () => ({ kind: 'unknown' }));
    this.#underWay = [];
    this.#failWaiting(this.#ended);
    this.#signal();
  }

  #isIdle(): boolean {
    return this.#queue.isEmpty && this.#underWay.length === 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay.length > 0 || this.#queue.isEmpty) {
      return;
    }
    this.#scheduled = true;
    (this.#options.defer ?? setImmediate)(() => {
      this.#scheduled = false;
      void this.#writeNext();
    });
  }

  async #writeNext(): Promise<void> {
    const { batch, expired } = this.#queue.gather();
    this.counters.expired += expired.length;
    this.#queue.answer(expired, () => ({ kind: 'expired' }));
    if (batch.length === 0) {
      this.#signal();
      return;
    }
    this.#underWay = batch;
    try {
      this.#finish(batch, await this.#write(batch));
    } catch (error) {
      // Not a store's answer but a bug: the callers get it, and the process' handler of rejections ends it.
      for (const { result } of batch) {
        result.reject(error as Error);
      }
      throw error;
    }
  }

  async #write(calls: readonly WaitingAppend[]): Promise<BatchOutcome> {
    if (!this.#fit(calls)) {
      return { kind: 'refused', error: tooLarge(calls) };
    }
    const records = calls.length === 1 ? (calls[0]?.records ?? []) : calls.flatMap((call) => call.records);
    const batch = AppendBatch.pack(random53(this.#options.random), records);
    let outcome: AppendOutcome;
    try {
      outcome = await this.#options.log.append(batch);
    } catch (error) {
      if (error instanceof StoreError) {
        return { kind: 'refused', error };
      }
      throw error;
    }
    // Nothing else may use these offsets until the outcome is definite: the lane waits here.
    return outcome.kind === 'inDoubt' ? resolved(outcome.resolution) : outcome;
  }

  #finish(calls: readonly WaitingAppend[], stored: BatchOutcome): void {
    const isVoid = stored.kind === 'appended' && this.#options.isOwner?.() === false;
    const outcome: BatchOutcome = isVoid ? { kind: 'unknown' } : stored;
    if (outcome.kind === 'appended') {
      this.#publish(outcome.block);
    }
    if (this.#underWay === calls) {
      this.#underWay = [];
      if (this.#canDivide(calls, outcome)) {
        const isWhole = (call: WaitingAppend): boolean => call.records.length === 1 || this.#fit([call]);
        this.#queue.putBack(calls.flatMap((call) => (isWhole(call) ? [call] : divide(call, this.#fits))));
      } else {
        this.#answerAll(calls, outcome);
      }
    }
    if (outcome.kind === 'fenced') {
      this.#standDown(outcome);
    } else if (outcome.kind === 'unknown') {
      // Nobody knows whose the next offsets are.
      this.#ended ??= closedResult();
      this.#failWaiting(this.#ended);
    }
    this.#signal();
    this.#schedule();
  }

  #publish(block: RecordBlock): void {
    this.counters.batches += 1;
    this.counters.records += block.count;
    this.counters.bytes += block.recordBytes;
    this.#options.tail?.append(block);
    this.#options.onAppended?.(block);
  }

  /** The store may take less at once than it did when they were gathered: what fits is not refused with what does not. */
  #canDivide(calls: readonly WaitingAppend[], outcome: BatchOutcome): boolean {
    return isTooLarge(outcome) && countOf(calls) > 1 && !this.#fit(calls);
  }

  #fit(calls: readonly Sized[]): boolean {
    return this.#fits(countOf(calls), bytesOf(calls));
  }

  #answerAll(calls: readonly WaitingAppend[], outcome: BatchOutcome): void {
    if (outcome.kind !== 'appended') {
      // Before the next batch is gathered, so that nothing of a broken chain gets into it.
      for (const { chain } of isTooLarge(outcome) && countOf(calls) === 1 ? [] : calls) {
        breakChain(chain);
      }
      this.#queue.answer(calls, () => outcome);
      return;
    }
    let index = 0;
    this.#queue.answer(calls, (call) => {
      const firstOffset = outcome.block.offset(index);
      const appendedAtMs = outcome.block.appendedAtMs(index);
      index += call.records.length;
      return { kind: 'appended', firstOffset, appendedAtMs };
    });
  }

  #standDown(fenced: Fenced): void {
    this.#ended = fenced;
    this.#failWaiting(fenced);
    this.#options.onFenced?.(fenced.epoch);
  }

  #failWaiting(result: AppendResult): void {
    this.#queue.answer(this.#queue.drain(), () => result);
  }

  #signal(): void {
    this.#queue.signalRoom(this.#ended !== undefined);
    if (this.#idle !== undefined && this.#isIdle()) {
      this.#idle.resolve();
      this.#idle = undefined;
    }
  }
}

async function resolved(resolution: Promise<DefiniteAppendOutcome>): Promise<BatchOutcome> {
  try {
    return await resolution;
  } catch (error) {
    if (error instanceof StoreError) {
      return { kind: 'unknown' };
    }
    throw error;
  }
}

function breakChain(chain: AppendChain | undefined): void {
  if (chain !== undefined) {
    chain.broken = true;
  }
}

function closedResult(): AppendResult {
  return { kind: 'refused', error: new StoreError('closed', 'the lane is closed') };
}

const isTooLarge = (outcome: BatchOutcome): boolean => outcome.kind === 'refused' && outcome.error.kind === 'tooLarge';

function tooLarge(calls: readonly Sized[]): StoreError {
  const [records, bytes] = [countOf(calls), bytesOf(calls)];
  return new StoreError('tooLarge', `${records} records of ${bytes} bytes do not fit into one append of the store`, {
    details: { records, bytes },
  });
}

function countOf(calls: readonly Sized[]): number {
  return calls.reduce((sum, { records }) => sum + records.length, 0);
}

function bytesOf(calls: readonly Sized[]): number {
  return calls.reduce((sum, { bytes }) => sum + bytes, 0);
}
