import {
  type AppendBatch,
  type AppendOutcome,
  type MessageLog,
  type ReadBounds,
  RecordBlock,
  type TruncateOutcome,
} from '../src/index.js';
import { createDeferred, type Deferred } from '@hermes/runtime';

/** A lane in memory whose appends are answered when the test says so, and whose reads are counted. */
export class MemoryLog implements MessageLog {
  readonly topicId = 1;
  readonly partition = 0;
  readonly lane = 0;
  readonly sizeBytes = 0;
  readonly lastAppendedAtMs = 0;
  firstOffset = 0;
  nextOffset = 0;
  reads = 0;
  /** Batches that wait for an answer. */
  readonly pending: { readonly batch: AppendBatch; readonly outcome: Deferred<AppendOutcome> }[] = [];
  readonly #blocks: RecordBlock[] = [];

  /** One append takes this much; no bound unless a test says otherwise. */
  bytesMax = Number.POSITIVE_INFINITY;

  fits(_records: number, bytes: number): boolean {
    return bytes <= this.bytesMax;
  }

  append(batch: AppendBatch): Promise<AppendOutcome> {
    const outcome = createDeferred<AppendOutcome>();
    this.pending.push({ batch, outcome });
    return outcome.promise;
  }

  /** Stores the oldest waiting batch; its block. */
  store(): RecordBlock {
    const { batch, outcome } = this.#oldest();
    const block = this.place(batch);
    outcome.resolve({ kind: 'appended', block });
    return block;
  }

  /** Answers the oldest waiting batch otherwise. */
  answer(outcome: AppendOutcome): AppendBatch {
    const oldest = this.#oldest();
    oldest.outcome.resolve(outcome);
    return oldest.batch;
  }

  fail(error: Error): void {
    this.#oldest().outcome.reject(error);
  }

  /** Gives the batch its offsets. */
  place(batch: AppendBatch): RecordBlock {
    for (let index = 0; index < batch.count; index += 1) {
      batch.offsets[index] = this.nextOffset + index;
      batch.appendedAtMs[index] = 1_000;
    }
    return this.add(batch.toBlock());
  }

  add(block: RecordBlock): RecordBlock {
    this.#blocks.push(block);
    this.nextOffset = block.nextOffset;
    return block;
  }

  async read(from: number, bounds: ReadBounds): Promise<RecordBlock> {
    this.reads += 1;
    await Promise.resolve();
    const block = this.#blocks
      .find(({ nextOffset }) => from < nextOffset)
      ?.slice(from, bounds.maxRecords, bounds.maxBytes);
    return block === undefined
      ? RecordBlock.empty(from)
      : new RecordBlock(block.from, block.nextOffset, { ...block.columns, keyHashes: undefined });
  }

  offsetAt(): Promise<number> {
    return Promise.resolve(0);
  }

  truncateBefore(offset: number): Promise<TruncateOutcome> {
    this.firstOffset = offset;
    return Promise.resolve({ kind: 'truncated', firstOffset: offset });
  }

  #oldest(): { readonly batch: AppendBatch; readonly outcome: Deferred<AppendOutcome> } {
    const oldest = this.pending.shift();
    if (oldest === undefined) {
      throw new Error('no append waits');
    }
    return oldest;
  }
}
