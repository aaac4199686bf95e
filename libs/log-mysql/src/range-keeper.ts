import type { Random } from '@hermes/runtime';
import { sleep, type Timers } from '@hermes/runtime';

import type { ConnectionSet } from './connection-set.js';
import { LaneRanges } from './lane-ranges.js';
import type { LaneTable } from './lane-table.js';
import { ERRNO, errnoOf } from './mysql-fault.js';
import type { Session } from './session.js';

/** An ALTER waits for the statements under way and holds up those behind it: briefly, then it tries again. */
const LOCK_WAIT_S = 1;
const ATTEMPTS_MAX = 10;
const PAUSE_MS = 100;

/**
 * A range is dropped no sooner after its newest record was written. While that record is there, an insert of an owner that
 * was fenced fails on it; by then no such insert can still be on its way.
 */
export const RANGE_KEPT_MS_DEFAULT = 600_000;

export interface RangeKeeperOptions {
  readonly table: LaneTable;
  /** Rows of a new lane's ranges. */
  readonly rangeRows: number;
  /** RANGE_KEPT_MS_DEFAULT in production. */
  readonly rangeKeptMs: number;
  readonly bounds: readonly number[];
  readonly control: ConnectionSet;
  readonly timers: Timers;
  readonly random: Random;
  /** Aborted when the lane is closed: nothing is waited for any more. */
  readonly signal: AbortSignal;
}

/** Where a lane stands, asked at each step. */
export interface LaneStart {
  readonly firstOffset: number;
  readonly nowMs: number;
}

/** Keeps range partitions of a lane: some ahead of its end, none wholly below its start. */
export class RangeKeeper {
  readonly #options: RangeKeeperOptions;
  #ranges: LaneRanges;
  #extending: Promise<void> | undefined;
  #dropping: Promise<void> | undefined;

  constructor(options: RangeKeeperOptions) {
    this.#options = options;
    this.#ranges = new LaneRanges(options.rangeRows, options.bounds);
  }

  /** Whether ranges should be added for a log that ends at `nextOffset`. */
  wantsMore(nextOffset: number): boolean {
    return this.#ranges.wantsMore(nextOffset);
  }

  /** Adds what is missing; concurrent calls share one run. Rejects if the table stays locked, or with MysqlError. */
  extend(nextOffset: number): Promise<void> {
    this.#extending ??= this.#extend(nextOffset).finally(() => {
      this.#extending = undefined;
    });
    return this.#extending;
  }

  /** Whether ranges lie wholly below `firstOffset`. */
  hasBelow(firstOffset: number): boolean {
    return this.#ranges.below(firstOffset) !== undefined;
  }

  /**
   * Drops the ranges wholly below the lane's start, the oldest first, each once it is old enough: it waits for that.
   * Concurrent calls share one run. Rejects if the table stays locked, or with MysqlError.
   */
  drop(start: () => LaneStart): Promise<void> {
    this.#dropping ??= this.#drop(start).finally(() => {
      this.#dropping = undefined;
    });
    return this.#dropping;
  }

  async #extend(nextOffset: number): Promise<void> {
    while (this.wantsMore(nextOffset)) {
      await this.#alter(async (session) => {
        const bounds = this.#ranges.toAdd(nextOffset);
        const isDone = await this.#options.table.addRanges(session, bounds);
        this.#ranges.add(isDone ? bounds : []);
        return isDone;
      });
    }
  }

  async #drop(start: () => LaneStart): Promise<void> {
    const { table, control, rangeKeptMs, timers, signal } = this.#options;
    for (;;) {
      const bound = this.#ranges.below(start().firstOffset);
      if (bound === undefined || signal.aborted) {
        return;
      }
      const newest = await control.run((session) => table.newestBelow(session, bound));
      const waitMs = newest === undefined ? 0 : newest + rangeKeptMs - start().nowMs;
      if (waitMs > 0) {
        await sleep(timers, waitMs, signal).catch(() => undefined);
      } else {
        await this.#alter(async (session) => {
          const isDone = await table.dropRange(session, bound);
          this.#ranges.dropLowest(isDone ? 1 : 0);
          return isDone;
        });
      }
    }
  }

  /** Changes the table; where that finds it changed by another owner, or an answer was lost, reads how it is. */
  async #alter(change: (session: Session) => Promise<boolean>): Promise<void> {
    const { table, rangeRows, control, timers, random } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await control.run(async (session) => {
          await session.query(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_S}`);
          if (!(await change(session))) {
            this.#ranges = new LaneRanges(rangeRows, await table.ranges(session));
          }
        });
        return;
      } catch (error) {
        if (errnoOf(error) !== ERRNO.lockWaitTimeout || attempt === ATTEMPTS_MAX) {
          throw error;
        }
        await sleep(timers, PAUSE_MS * (1 + random.next()));
      }
    }
  }
}
