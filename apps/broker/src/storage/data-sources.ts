import {
  type DataSource,
  type DataSource_Tls,
  Durability,
  HermesError,
  type HoldBrokerLeaseRequest_DataSourceReport,
  StorageClass,
} from '@hermes/contracts';
import { type Logger, parseAddress } from '@hermes/kit';
import { type Environment, type SecretReference, type StorageEngine } from '@hermes/log';
import {
  type MysqlEngine,
  type MysqlNotice,
  type MysqlServerOptions,
  type MysqlTlsOptions,
  openMysqlEngine,
} from '@hermes/log-mysql';
import { type Clock, type Random, type Timers } from '@hermes/runtime';
import { durabilityOf } from './durability.js';

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

/** A server that is connected, is being connected to, or could not be had when it was last tried. */
interface KnownServer {
  readonly name: string;
  engine: Promise<MysqlEngine> | undefined;
  connected: MysqlEngine | undefined;
  problem: string;
}

/**
 * The servers that partitions of this broker are stored on. Each is connected to when the first partition is opened
 * there, and stays connected until the broker stops: what was acknowledged there must be remembered.
 */
export class DataSources {
  readonly #options: DataSourcesOptions;
  readonly #servers = new Map<string, KnownServer>();
  readonly #counters: DataSourceCounters = { lostRecords: 0, serverChanges: 0 };

  constructor(options: DataSourcesOptions) {
    this.#options = options;
  }

  get counters(): Readonly<DataSourceCounters> {
    return this.#counters;
  }

  /** How each data source that was asked for is found. */
  reports(): HoldBrokerLeaseRequest_DataSourceReport[] {
    return [...this.#servers.values()].map(({ name, connected, problem }) => ({
      dataSource: name,
      problem: connected?.problem ?? problem,
      version: connected?.facts.version ?? '',
      durability: connected === undefined ? Durability.UNSPECIFIED : durabilityOf(connected.capabilities),
    }));
  }

  /** The storage of a data source. Rejects with StoreError if it cannot be had; a later call tries again. */
  engine(source: DataSource): Promise<StorageEngine> {
    const server = this.#server(source);
    server.engine ??= this.#connect(server, source);
    return server.engine;
  }

  /** Flushes and disconnects. */
  async close(): Promise<void> {
    const close = async ({ engine }: KnownServer): Promise<void> => {
      await (await engine?.catch(() => undefined))?.close();
    };
    await Promise.all([...this.#servers.values()].map(close));
  }

  #server(source: DataSource): KnownServer {
    // By all that it says: one that was deleted and made again under its name may be another server.
    const key = JSON.stringify({ ...source, health: [] });
    let server = this.#servers.get(key);
    if (server === undefined) {
      server = { name: source.name, engine: undefined, connected: undefined, problem: 'being connected to' };
      this.#servers.set(key, server);
    }
    return server;
  }

  async #connect(server: KnownServer, source: DataSource): Promise<MysqlEngine> {
    try {
      server.connected = await this.#open(source);
      server.problem = '';
      return server.connected;
    } catch (error) {
      server.engine = undefined;
      server.problem = error instanceof Error ? error.message : String(error);
      throw error;
    }
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
function serverOptions({
  name,
  storageClass,
  endpoints,
  database,
  username,
  secret,
  tls,
}: DataSource): MysqlServerOptions {
  const address = parseAddress(endpoints[0] ?? '');
  if (storageClass !== StorageClass.MYSQL || address === undefined) {
    throw new HermesError('UNSUPPORTED_BY_STORAGE', `this broker cannot use data source ${name}`);
  }
  return {
    ...address,
    ...{ database, user: username },
    ...(secret === '' ? {} : { password: secret as SecretReference }),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  };
}

function tlsOptions({ ca, certificate, key }: DataSource_Tls): MysqlTlsOptions {
  const given = Object.entries({ ca, certificate, key }).filter(([, reference]) => reference !== '');
  return Object.fromEntries(given);
}
