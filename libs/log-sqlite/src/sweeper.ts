import type { StoreError } from '@hermes/log';

import type { GroupTables } from './group-tables.js';
import { LaneTable } from './lane-table.js';
import type { OpenContext } from './open-partition.js';
import type { LanePosition } from './partition-session.js';
import type { PartitionAddress, PartitionTables } from './partition-tables.js';
import type { ScheduleTable } from './schedule-table.js';
import type { ShardFile } from './shard-file.js';
import { sqliteFault } from './sqlite-fault.js';

/** Rows deleted per commit, so that a sweep never holds up an append for long. */
const SWEEP_ROWS = 1_000;

/** Deletes some rows; how many. Once it is none the sweep is done. */
interface Sweep {
  readonly step: () => number;
  readonly done: SweepDone;
}

/** Told once that nothing is left, or why something is. */
type SweepDone = (fault: StoreError | undefined) => void;

/** Deletes what nobody can reach any more, a thousand rows per commit, while nothing else waits. */
export class Sweeper {
  readonly #file: ShardFile;
  readonly #partitionTables: PartitionTables;
  readonly #groupTables: GroupTables;
  readonly #scheduleTable: ScheduleTable;
  readonly #sweeps: Sweep[] = [];

  constructor({ file, partitionTables, groupTables, scheduleTable }: OpenContext) {
    this.#file = file;
    this.#partitionTables = partitionTables;
    this.#groupTables = groupTables;
    this.#scheduleTable = scheduleTable;
  }

  get hasWork(): boolean {
    return this.#sweeps.length > 0;
  }

  /** Rows below a lane's logical start. */
  addLane({ table, firstOffset }: Pick<LanePosition, 'table' | 'firstOffset'>): void {
    this.#add(() => table.deleteBelow(firstOffset, SWEEP_ROWS));
  }

  /** Rows of groups that have no cursor in this partition. */
  addGroups(address: PartitionAddress): void {
    this.#add(() => this.#groupTables.deleteOrphans(address, SWEEP_ROWS));
  }

  /** What an earlier process may have left undone in a partition that is opened now. */
  addPartition(session: PartitionAddress & { readonly lanes: readonly LanePosition[] }): void {
    this.addGroups(session);
    for (const lane of session.lanes) {
      if (lane.firstOffset > 0) {
        this.addLane(lane);
      }
    }
  }

  /** Everything of a deleted topic's partition; `done` is called when nothing of it is left. */
  addRemoval(address: PartitionAddress, done: SweepDone): void {
    const lanes = [...this.#partitionTables.laneStates(address).keys()]
      .map((lane) => new LaneTable(this.#file, { ...address, lane }))
      .filter((table) => table.exists());
    for (const table of lanes) {
      this.#add(() => table.deleteBelow(Number.MAX_SAFE_INTEGER, SWEEP_ROWS));
    }
    this.#add(() => this.#groupTables.deleteAll(address, SWEEP_ROWS));
    this.#add(() => this.#scheduleTable.deleteAll(address, SWEEP_ROWS));
    this.#add(() => {
      for (const table of lanes) {
        table.drop();
      }
      this.#partitionTables.remove(address);
      return 0;
    }, done);
  }

  /** Does one commit's worth of the oldest sweep. A full disk ends it: it begins anew at the next opening. */
  step(): void {
    const sweep = this.#sweeps[0];
    if (sweep === undefined) {
      return;
    }
    let fault: StoreError | undefined;
    try {
      if (this.#file.writer.transaction(sweep.step)() > 0) {
        return;
      }
    } catch (error) {
      fault = sqliteFault(error, 'sweep');
      if (fault.kind !== 'full') {
        throw fault;
      }
    }
    this.#sweeps.shift();
    sweep.done(fault);
  }

  #add(step: () => number, done: SweepDone = () => undefined): void {
    this.#sweeps.push({ step, done });
  }
}
