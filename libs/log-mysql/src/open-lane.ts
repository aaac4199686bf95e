import { type OpeningGate, type OpenPartitionRequest, RECORD_KIND, StoreError } from '@hermes/log';
import { random53 } from '@hermes/runtime';

import type { ConnectionSlot } from './connection-set.js';
import type { FencedWriter } from './fenced-writer.js';
import * as groupRows from './group-rows.js';
import { markInsert } from './lane-insert.js';
import type { LaneTable, LastRow } from './lane-table.js';
import { LaneWriter } from './lane-writer.js';
import { ERRNO } from './mysql-fault.js';
import { MysqlLog } from './mysql-log.js';
import { type FoundLane, type OpeningContext, OpeningRefused } from './opening-context.js';
import { persist } from './persist.js';
import { RangeKeeper } from './range-keeper.js';
import type { Session } from './session.js';

/** What a lane needs of its opening. */
interface Opening {
  readonly fenced: FencedWriter;
  readonly gate: OpeningGate;
  /** Where it is appended to. */
  readonly slot: ConnectionSlot;
}

/** Fences a lane at the request's epoch and opens its log. The partition's epoch was raised before. */
export async function openLane(
  context: OpeningContext,
  request: OpenPartitionRequest,
  found: FoundLane,
  { fenced, gate, slot }: Opening,
): Promise<MysqlLog> {
  const { source, acknowledged, timers, random, rangeRows, rangeKeptMs, background } = context;
  const { table, firstOffset, bounds } = found;
  const writer = new LaneWriter({
    ...{ table, timers, random },
    epoch: request.epoch,
    slot,
    check: (session, end) => checkEnd(session, { table, gate, end }),
  });
  const ranges = new RangeKeeper({
    ...{ table, rangeRows, rangeKeptMs, bounds, timers, random },
    control: source.control,
    signal: gate.signal,
  });
  const [{ nextOffset, appendedAtMs }, meanRecordBytes] = await Promise.all([
    new LaneFencing(context, { writer, ranges, gate }).run(found.last),
    source.reads.run((session) => table.meanRecordBytes(session)),
  ]);
  const log = new MysqlLog({
    ...{ table, meanRecordBytes, writer, ranges, fenced, gate, background, firstOffset, nextOffset },
    reads: source.reads,
    lastAppendedAtMs: appendedAtMs,
    nowMs: () => source.time.nowMs(),
    packetBytesMax: () => source.facts.packetBytesMax,
    onAcknowledged: (offset) => {
      acknowledged.note(table.name, offset);
    },
  });
  log.keepRanges();
  return log;
}

/** On a connection that is new to the lane: a log that ends below what its owner knows has gone back in time. */
async function checkEnd(
  session: Session,
  { table, gate, end }: { readonly table: LaneTable; readonly gate: OpeningGate; readonly end: number },
): Promise<void> {
  // At its opening the lane's end was read just now.
  if (gate.refusal === undefined && end > 0) {
    const last = (await table.last(session))?.offset ?? -1;
    if (last < end - 1) {
      gate.lose(`${table.name} ends at ${last}, below ${end - 1}`);
    }
  }
  if (gate.refusal !== undefined) {
    throw gate.refusal;
  }
}

interface LaneParts {
  readonly writer: LaneWriter;
  readonly ranges: RangeKeeper;
  readonly gate: OpeningGate;
}

/** Where a fenced lane goes on. */
interface FencedEnd {
  readonly nextOffset: number;
  readonly appendedAtMs: number;
}

/** Puts the fence of an epoch at the end of a lane. */
class LaneFencing {
  readonly #context: OpeningContext;
  readonly #parts: LaneParts;

  constructor(context: OpeningContext, parts: LaneParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /**
   * The fence stands one above the last record. If more than that was acknowledged here, or settled by a group (the
   * server was restored, or a replica without the last records was promoted), a second one stands above it, so that no
   * offset ever names two messages. `last` is the last record as it was found before.
   */
  async run(last: LastRow | undefined): Promise<FencedEnd> {
    const { source, acknowledged, onNotice } = this.#context;
    const { table } = this.#parts.writer;
    const [end, floor] = await Promise.all([
      this.#fenceEnd(last),
      source.reads.run((session) => groupRows.highestFloor(session, table.address)),
    ]);
    const highest = Math.max(floor - 1, acknowledged.highest(table.name));
    const fence = end.nextOffset - 1;
    if (highest < fence) {
      return end;
    }
    if (!(await this.#mark(highest + 1, end.appendedAtMs))) {
      throw new StoreError('unavailable', `offset ${highest + 1} of ${table.name} was taken meanwhile`);
    }
    onNotice({ kind: 'recordsLost', ...table.address, from: fence, count: highest - fence + 1 });
    return { ...end, nextOffset: highest + 2 };
  }

  async #fenceEnd(found: LastRow | undefined): Promise<FencedEnd> {
    const { source } = this.#context;
    const { writer } = this.#parts;
    for (let last = found; ; last = await source.reads.run((session) => writer.table.last(session))) {
      if (last !== undefined && last.epoch >= writer.epoch) {
        throw new OpeningRefused({ kind: 'epochTooLow', observed: last.epoch });
      }
      const fence = (last?.offset ?? -1) + 1;
      const appendedAtMs = Math.max(source.time.nowMs(), last?.appendedAtMs ?? 0);
      // A stale owner that never stops writing may be first a few times; each time it has one record less to win.
      if (await this.#mark(fence, appendedAtMs)) {
        return { nextOffset: fence + 1, appendedAtMs };
      }
    }
  }

  /** Inserts a fence record; false if somebody was there first. */
  #mark(offset: number, appendedAtMs: number): Promise<boolean> {
    const { timers, random } = this.#context;
    const { writer, ranges, gate } = this.#parts;
    const mark = { kind: RECORD_KIND.fence, offset, epoch: writer.epoch, appendId: random53(random) };
    const insert = markInsert(writer.table, mark, appendedAtMs);
    return persist({ timers, random, signal: gate.signal }, async () => {
      const outcome = await writer.claim(insert);
      switch (outcome.kind) {
        case 'stored':
          return true;
        case 'taken':
          return false;
        case 'unknown':
          throw new StoreError('unavailable', `the fence of ${writer.table.name} was not answered`);
        case 'failed':
          if (outcome.error.details['errno'] === ERRNO.noRangeForValue) {
            await ranges.extend(offset);
          }
          throw outcome.error;
      }
    });
  }
}
