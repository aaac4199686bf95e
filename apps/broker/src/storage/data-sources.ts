import {
  type DataSource,
  Durability,
  HermesError,
  type HoldBrokerLeaseRequest_DataSourceReport,
} from '@hermes/contracts';
import { type StorageEngine } from '@hermes/log';
import { type KafkaFigures } from '@hermes/log-kafka';
import { type MysqlAccess } from '@hermes/log-mysql';
import { type CancelTimer } from '@hermes/runtime';
import { type ConnectedServer, type DataSourceCounters, type ServerContext, sourceKey } from './connected-server.js';
import { openKafkaServer } from './kafka-server.js';
import { mysqlServerOf, openMysqlServer } from './mysql-server.js';

export interface DataSourcesOptions extends Omit<ServerContext, 'counters'> {
  /** The way to the metadata database; undefined: this broker was not told of one that it can reach. */
  readonly metadata: MysqlAccess | undefined;
}

/** What the metadata database is called among data sources: no name of theirs has brackets. */
const METADATA = '(metadata)';

/** A server that is connected, is being connected to, or could not be had when it was last tried. */
interface KnownServer {
  readonly name: string;
  engine: Promise<StorageEngine> | undefined;
  connected: ConnectedServer | undefined;
  problem: string;
  /** The last try to connect has failed. */
  failed: boolean;
  cancelRetry: CancelTimer;
}

/** So often what cannot be had is tried again, even if no partition asks for it: the meta-server gives none until it can. */
const RETRY_MS = 5_000;

/** A server as it is called, and what tells it from another one of that name. */
interface ServerPlace {
  readonly name: string;
  readonly key: string;
}

/**
 * The servers that partitions of this broker are stored on. Each is connected to when the first partition is opened
 * there, and stays connected until the broker stops: what was acknowledged there must be remembered.
 */
export class DataSources {
  readonly #options: DataSourcesOptions;
  readonly #servers = new Map<string, KnownServer>();
  /** Kafka clusters, by what keeps their partitions' state. */
  readonly #kafka = new Map<StorageEngine, Map<string, KnownServer>>();
  readonly #counters: DataSourceCounters = { lostRecords: 0, serverChanges: 0 };
  #closed = false;

  constructor(options: DataSourcesOptions) {
    this.#options = options;
  }

  get counters(): Readonly<DataSourceCounters> {
    return this.#counters;
  }

  /** How each data source that was asked for is found. */
  reports(): HoldBrokerLeaseRequest_DataSourceReport[] {
    return [...this.#newest().values()].map(({ name, connected, problem, failed }) => ({
      dataSource: name,
      problem: connected?.problem() ?? problem,
      version: connected?.version() ?? '',
      durability: connected?.durability() ?? Durability.UNSPECIFIED,
      unreachable: connected?.unreachable() ?? failed,
    }));
  }

  /** How it goes with each Kafka cluster that is connected. */
  kafkaFigures(): KafkaFigures[] {
    return this.#all().flatMap(({ connected }) => connected?.kafka?.() ?? []);
  }

  /** The storage of a MySQL data source. Rejects with StoreError if it cannot be had; a later call tries again. */
  mysql(source: DataSource): Promise<StorageEngine> {
    return this.#engine(this.#servers, placeOf(source), (context) => openMysqlServer(mysqlServerOf(source), context));
  }

  /** The same of the metadata database; UNSUPPORTED_BY_STORAGE if this broker was not told where that is. */
  async metadata(): Promise<StorageEngine> {
    const { metadata } = this.#options;
    if (metadata === undefined) {
      throw new HermesError(
        'UNSUPPORTED_BY_STORAGE',
        'the groups’ state is in the metadata database, and this broker has no --metadata-url that leads to MySQL',
      );
    }
    const place = { name: METADATA, key: METADATA };
    return this.#engine(this.#servers, place, (context) => openMysqlServer(metadata, context));
  }

  /** The same of a Kafka data source, whose partitions' state is kept by `state`. */
  kafka(source: DataSource, state: StorageEngine): Promise<StorageEngine> {
    const servers = this.#kafka.get(state) ?? new Map<string, KnownServer>();
    this.#kafka.set(state, servers);
    return this.#engine(servers, placeOf(source), (context) => openKafkaServer(source, state, context));
  }

  /** Flushes and disconnects; those first whose state others keep. */
  async close(): Promise<void> {
    const close = async ({ engine }: KnownServer): Promise<void> => {
      await (await engine?.catch(() => undefined))?.close();
    };
    this.#closed = true;
    for (const { cancelRetry } of this.#all()) {
      cancelRetry();
    }
    await Promise.all([...this.#kafka.values()].flatMap((servers) => [...servers.values()].map(close)));
    await Promise.all([...this.#servers.values()].map(close));
  }

  /** By name: one that was deleted may have been made again, as another. */
  #newest(): ReadonlyMap<string, KnownServer> {
    return new Map(this.#all().map((server) => [server.name, server]));
  }

  #all(): KnownServer[] {
    return [this.#servers, ...this.#kafka.values()].flatMap((servers) => [...servers.values()]);
  }

  #engine(
    servers: Map<string, KnownServer>,
    { name, key }: ServerPlace,
    open: (context: ServerContext) => Promise<ConnectedServer>,
  ): Promise<StorageEngine> {
    let server = servers.get(key);
    if (server === undefined) {
      const unknown = { engine: undefined, connected: undefined, problem: 'being connected to', failed: false };
      server = { name, ...unknown, cancelRetry: () => undefined };
      servers.set(key, server);
    }
    server.engine ??= this.#connect(server, open);
    return server.engine;
  }

  async #connect(
    server: KnownServer,
    open: (context: ServerContext) => Promise<ConnectedServer>,
  ): Promise<StorageEngine> {
    const logger = this.#options.logger.child({ dataSource: server.name });
    try {
      server.connected = await open({ ...this.#options, logger, counters: this.#counters });
      server.problem = '';
      server.failed = false;
      return server.connected.engine;
    } catch (error) {
      server.engine = undefined;
      server.problem = error instanceof Error ? error.message : String(error);
      server.failed = true;
      this.#retryLater(server, open);
      throw error;
    }
  }

  #retryLater(server: KnownServer, open: (context: ServerContext) => Promise<ConnectedServer>): void {
    server.cancelRetry();
    if (this.#closed) {
      return;
    }
    server.cancelRetry = this.#options.timers.after(RETRY_MS, () => {
      if (this.#newest().get(server.name) === server) {
        server.engine ??= this.#connect(server, open);
        server.engine.catch(() => undefined);
      }
    });
  }
}

function placeOf(source: DataSource): ServerPlace {
  return { name: source.name, key: sourceKey(source) };
}
