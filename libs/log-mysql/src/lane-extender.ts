import type { Random } from '@hermes/runtime';
import { sleep, type Timers } from '@hermes/runtime';

import type { ConnectionSet } from './connection-set.js';
import { LaneRanges } from './lane-ranges.js';
import type { LaneTable } from './lane-table.js';
import { ERRNO, errnoOf } from './mysql-fault.js';

/** An ALTER waits for the statements under way and holds up those behind it: briefly, then it tries again. */
const LOCK_WAIT_S = 1;
const ATTEMPTS_MAX = 10;
const PAUSE_MS = 100;

export interface LaneExtenderOptions {
  readonly table: LaneTable;
  /** Rows of a new lane's ranges. */
  readonly rangeRows: number;
  readonly bounds: readonly number[];
  readonly control: ConnectionSet;
  readonly timers: Timers;
  readonly random: Random;
}

/** Keeps range partitions of a lane ahead of its end. */
export class LaneExtender {
  readonly #options: LaneExtenderOptions;
  #ranges: LaneRanges;
  #extending: Promise<void> | undefined;

  constructor(options: LaneExtenderOptions) {
    this.#options = options;
    this.#ranges = new LaneRanges(options.rangeRows, options.bounds);
  }

  /** Whether ranges should be added for a log that ends at `nextOffset`. */
  isDue(nextOffset: number): boolean {
    return this.#ranges.wantsMore(nextOffset);
  }

  /** Adds what is missing; concurrent calls share one run. Rejects if the table stays locked, or with MysqlError. */
  extend(nextOffset: number): Promise<void> {
    this.#extending ??= this.#extend(nextOffset).finally(() => {
      this.#extending = undefined;
    });
    return this.#extending;
  }

  async #extend(nextOffset: number): Promise<void> {
    const { timers, random } = this.#options;
    for (let attempt = 1; this.isDue(nextOffset); attempt += 1) {
      try {
        await this.#addOnce(nextOffset);
      } catch (error) {
        if (errnoOf(error) !== ERRNO.lockWaitTimeout || attempt === ATTEMPTS_MAX) {
          throw error;
        }
        await sleep(timers, PAUSE_MS * (1 + random.next()));
      }
    }
  }

  async #addOnce(nextOffset: number): Promise<void> {
    const { table, rangeRows, control } = this.#options;
    await control.run(async (session) => {
      const bounds = this.#ranges.toAdd(nextOffset);
      await session.query(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_S}`);
      if (await table.addRanges(session, bounds)) {
        this.#ranges.add(bounds);
      } else {
        // Another owner was here, or an answer was lost.
        this.#ranges = new LaneRanges(rangeRows, await table.ranges(session));
      }
    });
  }
}
