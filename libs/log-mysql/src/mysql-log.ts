import {
  type AppendBatch,
  type AppendOutcome,
  type DefiniteAppendOutcome,
  type MessageLog,
  type OpeningGate,
  type ReadBounds,
  RecordBlock,
  StoreError,
  type TruncateOutcome,
} from '@hermes/log';

import type { ConnectionSet } from './connection-set.js';
import type { FencedWriter } from './fenced-writer.js';
import { fitsPacket, type LaneInsert, messagesInsert } from './lane-insert.js';
import type { LaneTable } from './lane-table.js';
import type { DefiniteInsert, LaneWriter } from './lane-writer.js';
import { ERRNO, readFault } from './mysql-fault.js';
import { PageReader } from './page-reader.js';
import * as partitionRows from './partition-rows.js';
import type { RangeKeeper } from './range-keeper.js';
import type { Session } from './session.js';

/** Where a lane stands. */
export interface LanePosition {
  readonly firstOffset: number;
  readonly nextOffset: number;
  readonly lastAppendedAtMs: number;
}

export interface MysqlLogOptions extends LanePosition {
  readonly table: LaneTable;
  readonly meanRecordBytes: number;
  readonly writer: LaneWriter;
  readonly ranges: RangeKeeper;
  readonly fenced: FencedWriter;
  readonly reads: ConnectionSet;
  readonly gate: OpeningGate;
  readonly nowMs: () => number;
  readonly packetBytesMax: () => number;
  /** Told of each offset that is acknowledged from now on. */
  readonly onAcknowledged: (offset: number) => void;
  /** Work that nobody waits for. */
  readonly background: (name: string, task: () => Promise<void>) => void;
}

/** One lane of a partition on MySQL. */
export class MysqlLog implements MessageLog {
  readonly topicId: number;
  readonly partition: number;
  readonly lane: number;
  readonly #options: MysqlLogOptions;
  readonly #pages: PageReader;
  #firstOffset: number;
  #nextOffset: number;
  #lastAppendedAtMs: number;
  #sizeBytes: number;

  constructor(options: MysqlLogOptions) {
    const { topicId, partition, lane } = options.table.address;
    this.topicId = topicId;
    this.partition = partition;
    this.lane = lane;
    this.#options = options;
    this.#pages = new PageReader(options.table, options.meanRecordBytes);
    this.#firstOffset = options.firstOffset;
    this.#nextOffset = options.nextOffset;
    this.#lastAppendedAtMs = options.lastAppendedAtMs;
    this.#sizeBytes = Math.round(options.meanRecordBytes * (options.nextOffset - options.firstOffset));
  }

  get firstOffset(): number {
    return this.#firstOffset;
  }

  get nextOffset(): number {
    return this.#nextOffset;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get lastAppendedAtMs(): number {
    return this.#lastAppendedAtMs;
  }

  fits(records: number, bytes: number): boolean {
    return fitsPacket(records, bytes, this.#options.packetBytesMax());
  }

  async append(batch: AppendBatch): Promise<AppendOutcome> {
    const { gate, writer } = this.#options;
    if (gate.refusal !== undefined) {
      return { kind: 'refused', error: gate.refusal };
    }
    return gate.run(async () => {
      const insert = this.#place(batch);
      let outcome = await writer.insert(insert);
      if (outcome.kind === 'failed' && outcome.error.details['errno'] === ERRNO.noRangeForValue) {
        outcome = (await this.#extendFor(batch)) ?? (await writer.insert(insert));
      }
      return outcome.kind === 'unknown'
        ? { kind: 'inDoubt', resolution: this.#resolve(insert, batch) }
        : this.#settle(outcome, batch);
    });
  }

  read(from: number, bounds: ReadBounds): Promise<RecordBlock> {
    return this.#reading('read', async (run) => {
      const { firstOffset, nextOffset } = this;
      if (from < firstOffset) {
        throw new StoreError('outOfRange', `offset ${from} is below the lane's first ${firstOffset}`, {
          details: { offset: from, earliest: firstOffset, latest: nextOffset },
        });
      }
      return from >= nextOffset
        ? RecordBlock.empty(from)
        : run((session) => this.#pages.read(session, from, nextOffset, bounds));
    });
  }

  /** By bisection over the key: times never decrease within a lane. */
  offsetAt(timeMs: number): Promise<number> {
    return this.#reading('find an offset by time', async (run) => {
      const { table } = this.#options;
      const end = this.nextOffset;
      let low = this.firstOffset;
      let high = end;
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const row = await run((session) => table.timeFrom(session, middle));
        if (row === undefined || row.appendedAtMs >= timeMs) {
          high = middle;
        } else {
          low = row.offset + 1;
        }
      }
      return (await run((session) => table.messageFrom(session, low))) ?? end;
    });
  }

  async truncateBefore(offset: number): Promise<TruncateOutcome> {
    const { gate, fenced, table } = this.#options;
    if (gate.refusal !== undefined) {
      return { kind: 'refused', error: gate.refusal };
    }
    return gate.run(async () => {
      const first = Math.min(offset, this.#nextOffset - 1);
      if (first <= this.#firstOffset) {
        return { kind: 'truncated', firstOffset: this.#firstOffset };
      }
      const written = await fenced.write((session) => partitionRows.raiseFirstOffset(session, table.address, first));
      const outcome = written.kind === 'inDoubt' ? await written.resolution : written;
      return outcome.kind === 'committed' ? this.#truncated(first) : outcome;
    });
  }

  /** Sees to it that the lane has range partitions where it needs them, and no others. */
  keepRanges(): void {
    this.#extendRanges();
    this.#dropRanges();
  }

  #extendRanges(): void {
    const { ranges, background, table } = this.#options;
    if (ranges.wantsMore(this.#nextOffset)) {
      background(`add ranges to ${table.name}`, () => ranges.extend(this.#nextOffset));
    }
  }

  #dropRanges(): void {
    const { ranges, background, table, nowMs } = this.#options;
    if (ranges.hasBelow(this.#firstOffset)) {
      const start = () => ({ firstOffset: this.#firstOffset, nowMs: nowMs() });
      background(`drop ranges of ${table.name}`, () => ranges.drop(start));
    }
  }

  /** Gives the batch its offsets and its time. */
  #place(batch: AppendBatch): LaneInsert {
    for (let index = 0; index < batch.count; index += 1) {
      batch.offsets[index] = this.#nextOffset + index;
    }
    batch.appendedAtMs.fill(Math.max(this.#options.nowMs(), this.#lastAppendedAtMs));
    return messagesInsert(this.#options.table, batch, this.#options.writer.epoch);
  }

  async #resolve(insert: LaneInsert, batch: AppendBatch): Promise<DefiniteAppendOutcome> {
    const { writer, gate } = this.#options;
    return this.#settle(await writer.resolve(insert, gate.signal), batch);
  }

  #settle(outcome: DefiniteInsert, batch: AppendBatch): DefiniteAppendOutcome {
    switch (outcome.kind) {
      case 'stored':
        return this.#appended(batch);
      case 'fenced':
        return outcome;
      case 'failed':
        this.#nextOffset = outcome.voidedAt === undefined ? this.#nextOffset : outcome.voidedAt + 1;
        return outcome.error.kind === 'full' ? { kind: 'full' } : { kind: 'refused', error: outcome.error };
    }
  }

  #appended(batch: AppendBatch): DefiniteAppendOutcome {
    const block = batch.toBlock();
    this.#nextOffset = block.nextOffset;
    this.#lastAppendedAtMs = block.appendedAtMs(batch.count - 1);
    this.#sizeBytes += block.recordBytes;
    this.#options.onAcknowledged(block.nextOffset - 1);
    this.#extendRanges();
    return { kind: 'appended', block };
  }

  /** Makes room for a batch above all ranges; why there is none, if it cannot. */
  async #extendFor(batch: AppendBatch): Promise<DefiniteInsert | undefined> {
    const { ranges, table } = this.#options;
    try {
      await ranges.extend(this.#nextOffset + batch.count);
      return undefined;
    } catch (error) {
      return { kind: 'failed', error: readFault(error, `add ranges to ${table.name}`) };
    }
  }

  #truncated(firstOffset: number): TruncateOutcome {
    const share = (this.#nextOffset - firstOffset) / (this.#nextOffset - this.#firstOffset);
    this.#sizeBytes = Math.round(this.#sizeBytes * share);
    this.#firstOffset = firstOffset;
    this.#dropRanges();
    return { kind: 'truncated', firstOffset };
  }

  async #reading<T>(
    what: string,
    read: (run: <Row>(job: (session: Session) => Promise<Row>) => Promise<Row>) => Promise<T>,
  ): Promise<T> {
    const { gate, reads, table } = this.#options;
    return gate.run(async () => {
      try {
        return await read((job) => reads.run(job));
      } catch (error) {
        throw readFault(error, `${what} in ${table.name}`);
      }
    });
  }
}
