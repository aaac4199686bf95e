import {
  type CommitOutcome,
  type DefiniteCommitOutcome,
  type Schedule,
  type ScheduledRecord,
  StoreError,
} from '@hermes/log';
import { createDeferred, type Deferred } from '@hermes/runtime';

/** Bytes of one transaction. */
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes that wait: beyond it, backpressure. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/** What became of scheduled messages: all of one call, or none. */
export type ScheduleResult = DefiniteCommitOutcome | { readonly kind: 'unknown' } | { readonly kind: 'backpressure' };

interface WaitingCall {
  readonly entries: readonly ScheduledRecord[];
  readonly bytes: number;
  readonly result: Deferred<ScheduleResult>;
}

/** Stores scheduled messages: one transaction at a time, and what comes meanwhile is the next one. */
export class ScheduleWriter {
  readonly #schedule: Schedule;
  readonly #onFenced: () => void;
  #waiting: WaitingCall[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(schedule: Schedule, onFenced: () => void) {
    this.#schedule = schedule;
    this.#onFenced = onFenced;
  }

  /** Resolves once what becomes of them is known: `committed` is durable. */
  add(entries: readonly ScheduledRecord[]): Promise<ScheduleResult> {
    const bytes = entries.reduce((sum, { record }) => sum + record.length, 0);
    if (this.#closed) {
      return Promise.resolve(CLOSED);
    }
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      return Promise.resolve({ kind: 'backpressure' });
    }
    const result = createDeferred<ScheduleResult>();
    this.#waiting.push({ entries, bytes, result });
    this.#waitingBytes += bytes;
    this.#running ??= this.#run();
    return result.promise;
  }

  /** Resolves when nothing waits and nothing is under way. */
  async flush(): Promise<void> {
    await this.#running;
  }

  /** Takes nothing more; what waits was never tried. */
  close(): void {
    this.#closed = true;
    for (const { result } of this.#waiting.splice(0)) {
      result.resolve(CLOSED);
    }
  }

  async #run(): Promise<void> {
    // What is scheduled in the same turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#gather();
      const result = await this.#commit(batch.flatMap(({ entries }) => entries));
      for (const { result: answer, bytes } of batch) {
        this.#waitingBytes -= bytes;
        answer.resolve(result);
      }
      if (result.kind === 'fenced') {
        this.close();
        this.#onFenced();
      }
    }
    this.#running = undefined;
  }

  #gather(): WaitingCall[] {
    let bytes = 0;
    let count = 0;
    for (const call of this.#waiting) {
      bytes += call.bytes;
      if (count > 0 && bytes > BATCH_BYTES_MAX) {
        break;
      }
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(entries: readonly ScheduledRecord[]): Promise<ScheduleResult> {
    try {
      const outcome: CommitOutcome = await this.#schedule.commit(
        entries.map((entry) => ({ kind: 'scheduled', entry })),
      );
      return outcome.kind === 'inDoubt' ? await unlessLost(outcome.resolution) : outcome;
    } catch (error) {
      if (error instanceof StoreError) {
        return { kind: 'refused', error };
      }
      throw error;
    }
  }
}

const CLOSED: ScheduleResult = { kind: 'refused', error: new StoreError('closed', 'the partition is closed') };

/** A store that is lost while it looks leaves the outcome unknown. */
async function unlessLost(resolution: Promise<DefiniteCommitOutcome>): Promise<ScheduleResult> {
  try {
    return await resolution;
  } catch (error) {
    if (error instanceof StoreError) {
      return { kind: 'unknown' };
    }
    throw error;
  }
}
