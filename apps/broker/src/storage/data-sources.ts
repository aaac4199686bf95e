import { type DataSource, HermesError, StorageClass } from '@hermes/contracts';
import { type Logger, parseAddress } from '@hermes/kit';
import { type StorageEngine } from '@hermes/log';
import {
  type Environment,
  type MysqlEngine,
  type MysqlNotice,
  type MysqlServerOptions,
  openMysqlEngine,
  type SecretReference,
} from '@hermes/log-mysql';
import { type Clock, type Random, type Timers } from '@hermes/runtime';

export interface DataSourcesOptions {
  /** Where `env:NAME` is looked up. */
  readonly environment: Environment;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
}

/** Totals since the start, for metrics. */
export interface DataSourceCounters {
  /** Offsets that were acknowledged or settled and were gone when their partition was opened. */
  lostRecords: number;
  /** Times that another server, or one that was restored, answered. */
  serverChanges: number;
}

/**
 * The servers that partitions of this broker are stored on. Each is connected to when the first partition is opened
 * there, and stays connected until the broker stops: what was acknowledged there must be remembered.
 */
export class DataSources {
  readonly #options: DataSourcesOptions;
  readonly #engines = new Map<string, Promise<MysqlEngine>>();
  readonly #counters: DataSourceCounters = { lostRecords: 0, serverChanges: 0 };

  constructor(options: DataSourcesOptions) {
    this.#options = options;
  }

  get counters(): Readonly<DataSourceCounters> {
    return this.#counters;
  }

  /** Number of servers that are connected, or being connected to. */
  get count(): number {
    return this.#engines.size;
  }

  /** The storage of a data source. Rejects with StoreError if it cannot be had; a later call tries again. */
  engine(source: DataSource): Promise<StorageEngine> {
    // By all that it says: one that was deleted and made again under its name may be another server.
    const key = JSON.stringify(source);
    let engine = this.#engines.get(key);
    if (engine === undefined) {
      engine = this.#open(source);
      engine.catch(() => this.#engines.delete(key));
      this.#engines.set(key, engine);
    }
    return engine;
  }

  /** Flushes and disconnects. */
  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#engines.values());
    await Promise.all(opened.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.close() : undefined)));
  }

  #open(source: DataSource): Promise<MysqlEngine> {
    const { environment, clock, timers, random, logger } = this.#options;
    return openMysqlEngine({
      server: serverOptions(source),
      ...{ environment, clock, timers, random },
      onNotice: (notice) => {
        this.#notice(notice, logger.child({ dataSource: source.name }));
      },
    });
  }

  #notice(notice: MysqlNotice, logger: Logger): void {
    switch (notice.kind) {
      case 'recordsLost': {
        const { topicId, partition, lane, from, count } = notice;
        this.#counters.lostRecords += count;
        logger.error({ topicId, partition, lane, from, count }, 'acknowledged records are gone from the server');
        break;
      }
      case 'serverChanged':
        this.#counters.serverChanges += 1;
        logger.error({ server: notice.facts.version }, 'another server answers, or a restored one: partitions re-open');
        break;
      case 'durabilityChanged':
        logger.warn({ durability: notice.facts.durability }, 'the server flushes or replicates otherwise than before');
        break;
      case 'taskFailed':
        logger.warn({ err: notice.error, task: notice.task }, 'background work on a data source failed');
    }
  }
}

/** The server that a data source names. The meta-server has checked it; what came from elsewhere is refused. */
function serverOptions({ name, storageClass, endpoints, database, username, secret }: DataSource): MysqlServerOptions {
  const address = parseAddress(endpoints[0] ?? '');
  if (storageClass !== StorageClass.MYSQL || address === undefined) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', `this broker cannot use data source ${name}`);
  }
  return {
    ...address,
    ...{ database, user: username },
    ...(secret === '' ? {} : { password: secret as SecretReference }),
  };
}
