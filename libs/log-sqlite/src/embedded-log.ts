import {
  AppendBatch,
  type AppendOutcome,
  type MessageLog,
  type ReadBounds,
  RecordBlock,
  StoreError,
  type TruncateOutcome,
} from '@hermes/log';
import { invariant } from '@hermes/runtime';

import type { PartitionCalls } from './partition-calls.js';
import type { OpenedLane } from './shard-protocol.js';
import { definite } from './write-outcome.js';

/** One lane of an embedded partition. */
export class EmbeddedLog implements MessageLog {
  readonly topicId: number;
  readonly partition: number;
  readonly lane: number;
  readonly #calls: PartitionCalls;
  #position: OpenedLane;

  constructor(calls: PartitionCalls, lane: number, opened: OpenedLane) {
    this.topicId = calls.topicId;
    this.partition = calls.partition;
    this.lane = lane;
    this.#calls = calls;
    this.#position = opened;
  }

  get firstOffset(): number {
    return this.#position.firstOffset;
  }

  get nextOffset(): number {
    return this.#position.nextOffset;
  }

  get sizeBytes(): number {
    return this.#position.sizeBytes;
  }

  get lastAppendedAtMs(): number {
    return this.#position.lastAppendedAtMs;
  }

  /** A record of SQLite takes 1 GB: far above any topic's limit. */
  fits(): boolean {
    return true;
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    const { appendId, count, buffer } = batch;
    const nowMs = this.#calls.nowMs();
    const reply = await this.#calls.write({ op: 'append', lane: this.lane, appendId, count, buffer, nowMs }, [buffer]);
    if (reply.answer.kind !== 'appended') {
      return definite(reply.answer);
    }
    invariant(reply.buffer !== undefined, 'an append gives its buffer back');
    const block = new AppendBatch(appendId, count, reply.buffer).toBlock();
    this.#position = {
      ...this.#position,
      nextOffset: block.nextOffset,
      lastAppendedAtMs: block.appendedAtMs(count - 1),
      sizeBytes: this.#position.sizeBytes + block.recordBytes,
    };
    return { kind: 'appended', block };
  }

  async read(from: number, bounds: ReadBounds): Promise<RecordBlock> {
    const { firstOffset, nextOffset } = this.#position;
    if (from < firstOffset) {
      throw new StoreError('outOfRange', `offset ${from} is below the lane's first ${firstOffset}`, {
        details: { offset: from, earliest: firstOffset, latest: nextOffset },
      });
    }
    if (from >= nextOffset) {
      return RecordBlock.empty(from);
    }
    const page = await this.#calls.call('read', { lane: this.lane, from, bounds });
    const columns = new AppendBatch(0, page.count, page.buffer).columns();
    return new RecordBlock(from, page.nextOffset, { ...columns, keyHashes: undefined });
  }

  offsetAt(timeMs: number): Promise<number> {
    return this.#calls.call('offsetAt', { lane: this.lane, timeMs });
  }

  async truncateBefore(offset: number): Promise<TruncateOutcome> {
    const { answer } = await this.#calls.write({ op: 'truncate', lane: this.lane, offset }, []);
    if (answer.kind !== 'committed') {
      return definite(answer);
    }
    const { firstOffset, nextOffset, sizeBytes } = this.#position;
    const first = Math.max(firstOffset, Math.min(offset, nextOffset - 1));
    const share = (nextOffset - first) / (nextOffset - firstOffset);
    this.#position = { ...this.#position, firstOffset: first, sizeBytes: Math.round(sizeBytes * share) };
    return { kind: 'truncated', firstOffset: first };
  }
}
