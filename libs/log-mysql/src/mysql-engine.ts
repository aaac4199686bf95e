import {
  type Environment,
  OpeningGates,
  type OpenPartitionOutcome,
  type OpenPartitionRequest,
  type StorageCapabilities,
  type StorageEngine,
  StoreError,
} from '@hermes/log';
import {
  type Clock,
  type Random,
  systemClock,
  systemRandom,
  systemTimers,
  TaskGroup,
  type Timers,
} from '@hermes/runtime';

import { AcknowledgedOffsets } from './acknowledged-offsets.js';
import { DATA_SOURCE_BOUNDS_DEFAULT, DataSource, type DataSourceBounds } from './data-source.js';
import { deletePartition } from './delete-partition.js';
import { readFault } from './mysql-fault.js';
import type { MysqlNotice, NoticeListener } from './notice.js';
import { PartitionOpening } from './open-partition.js';
import type { OpeningContext } from './opening-context.js';
import { RANGE_KEPT_MS_DEFAULT } from './range-keeper.js';
import type { ServerFacts } from './server-facts.js';
import { accessTo, type MysqlAccess, type MysqlServerOptions } from './server-options.js';
import type { IsolationLevel } from './session.js';

/** Rows of a lane's first range partitions; later ones grow with the lane. */
export const RANGE_ROWS_DEFAULT = 1_000_000;

export interface MysqlEngineOptions {
  readonly server: MysqlServerOptions | MysqlAccess;
  /** Where `env:NAME` is looked up; empty if unset. */
  readonly environment?: Environment;
  readonly bounds?: Partial<DataSourceBounds>;
  /** 1,000,000 if unset. */
  readonly rangeRows?: number;
  /** RANGE_KEPT_MS_DEFAULT if unset. */
  readonly rangeKeptMs?: number;
  /** READ COMMITTED if unset. The fence holds at any level: tests show it. */
  readonly isolation?: IsolationLevel;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly onNotice?: NoticeListener;
}

/** Totals since the start, for metrics. */
export interface MysqlCounters {
  /** Offsets that were acknowledged or settled and were gone at an opening. */
  lostRecords: number;
  serverChanges: number;
  failedTasks: number;
}

/** Storage on a MySQL or MariaDB server. */
export interface MysqlEngine extends StorageEngine {
  /** What the server was last found to be. */
  readonly facts: ServerFacts;
  readonly counters: Readonly<MysqlCounters>;

  /** Why the server did not answer as it should when it was last asked, every 2 s; undefined if it did. */
  readonly problem: string | undefined;

  /** Whether the problem is that it did not answer at all. */
  readonly unreachable: boolean;

  /** Looks at once who answers at the address, as otherwise each minute; rejects with StoreError. */
  look(): Promise<void>;
}

/**
 * Connects to a server and brings its shared tables to this version. Fails with `unavailable` (details in the message:
 * not reachable, no access, too old, settings that cannot be worked with) or `schemaNewer`.
 */
export async function openMysqlEngine(options: MysqlEngineOptions): Promise<MysqlEngine> {
  const engine = new MysqlStorage(options);
  await engine.start();
  return engine;
}

class MysqlStorage implements MysqlEngine {
  readonly counters: MysqlCounters = { lostRecords: 0, serverChanges: 0, failedTasks: 0 };
  readonly #options: MysqlEngineOptions;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #acknowledged = new AcknowledgedOffsets();
  readonly #gates = new OpeningGates();
  readonly #tasks: TaskGroup;
  #source: DataSource | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: MysqlEngineOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#random = options.random ?? systemRandom;
    this.#tasks = new TaskGroup((task, error) => {
      this.#notice({ kind: 'taskFailed', task, error });
    });
  }

  async start(): Promise<void> {
    const { server, environment = {}, isolation = 'READ COMMITTED', clock = systemClock, bounds } = this.#options;
    this.#source = await DataSource.open({
      server: accessTo(server, environment),
      ...{ isolation, clock, timers: this.#timers, tasks: this.#tasks },
      bounds: { ...DATA_SOURCE_BOUNDS_DEFAULT, ...bounds },
      onNotice: (notice) => {
        this.#notice(notice);
      },
      onServerChanged: () => {
        this.#loseAll();
      },
    });
  }

  get facts(): ServerFacts {
    return this.#open.facts;
  }

  get problem(): string | undefined {
    return this.#open.problem;
  }

  get unreachable(): boolean {
    return this.#open.unreachable;
  }

  get capabilities(): StorageCapabilities {
    const { durability } = this.facts;
    return { appendFence: true, durability, truncate: true, offsetAt: true, movable: true };
  }

  openPartition(request: OpenPartitionRequest): Promise<OpenPartitionOutcome> {
    return this.#gates.open(request, (gate) => new PartitionOpening(this.#context(), request, gate).run());
  }

  async deletePartition(topicId: number, partition: number): Promise<void> {
    try {
      for (const lane of await deletePartition(this.#open.control, { topicId, partition })) {
        this.#acknowledged.forget(lane);
      }
    } catch (error) {
      throw readFault(error, `delete partition ${topicId}/${partition}`);
    }
  }

  look(): Promise<void> {
    return this.#open.look();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#gates.close();
    await this.#tasks.settled();
    await this.#open.close();
  }

  get #open(): DataSource {
    if (this.#source === undefined) {
      throw new StoreError('closed', 'the data source is not open');
    }
    return this.#source;
  }

  #context(): OpeningContext {
    return {
      source: this.#open,
      acknowledged: this.#acknowledged,
      rangeRows: this.#options.rangeRows ?? RANGE_ROWS_DEFAULT,
      rangeKeptMs: this.#options.rangeKeptMs ?? RANGE_KEPT_MS_DEFAULT,
      timers: this.#timers,
      random: this.#random,
      onNotice: (notice) => {
        this.#notice(notice);
      },
      background: (name, task) => {
        this.#tasks.run(name, task);
      },
    };
  }

  #loseAll(): void {
    this.#gates.loseAll('another server answers, or one that was restored');
  }

  #notice(notice: MysqlNotice): void {
    switch (notice.kind) {
      case 'recordsLost':
        this.counters.lostRecords += notice.count;
        break;
      case 'serverChanged':
        this.counters.serverChanges += 1;
        break;
      case 'taskFailed':
        this.counters.failedTasks += 1;
        break;
      case 'durabilityChanged':
        break;
    }
    this.#options.onNotice?.(notice);
  }
}
