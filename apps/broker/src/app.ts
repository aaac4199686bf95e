import { credentials } from '@grpc/grpc-js';
import { LeaseHolder } from '@hermes/coordination';
import { HermesError } from '@hermes/contracts';
import { InFlightPool } from '@hermes/delivery';
import {
  advertisedHost,
  crash,
  createGrpcServer,
  createLogger,
  createMetrics,
  formatAddress,
  type GrpcServer,
  type Logger,
  type Metrics,
  type OpsServer,
  startOpsServer,
  watchEventLoop,
} from '@hermes/kit';
import { ByteBudget, PageCache, TailCache } from '@hermes/log';
import { type MysqlAccess } from '@hermes/log-mysql';
import { type EmbeddedEngine } from '@hermes/log-sqlite';
import { metadataAccess, openBrokerLease, type SharedBrokerLease } from '@hermes/metadata';
import {
  type Clock,
  Lifecycle,
  type Random,
  random53,
  type StopOptions,
  systemClock,
  systemRandom,
  systemTimers,
  TaskGroup,
  type Timers,
} from '@hermes/runtime';
import { hostname } from 'node:os';
import { Catalog } from './catalog/catalog.js';
import { MetaClient } from './catalog/meta-client.js';
import { type BrokerConfig } from './config.js';
import { createCounters } from './counters.js';
import { type BrokerIdentity, LeaseSession } from './lease/lease-session.js';
import { registerMetrics } from './metrics.js';
import { keyHashOfRecord } from './partition/key-hash.js';
import { Ownership } from './partition/ownership.js';
import { PartitionOpener } from './partition/partition-opener.js';
import { type PartitionServices } from './partition/partition-services.js';
import { Turns } from './partition/turns.js';
import { Publisher } from './publish/publisher.js';
import { messagingHandlers } from './rpc/messaging-handlers.js';
import { partitionHandlers } from './rpc/partition-handlers.js';
import { BrokerMessagingService, BrokerPartitionService } from './rpc/service-definitions.js';
import { Retention } from './retention/retention.js';
import { Acknowledger } from './settle/acknowledger.js';
import { connectAhead } from './storage/connect-ahead.js';
import { DataSources } from './storage/data-sources.js';
import { openEmbedded } from './storage/open-embedded.js';
import { Storage } from './storage/storage.js';
import { Puller } from './subscribe/puller.js';
import { Subscriber } from './subscribe/subscriber.js';

/** What a test may replace. */
export interface BrokerDependencies {
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Where `env:NAME` of a data source is looked up; the process's environment if unset. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Messages in flight, of all groups; IN_FLIGHT_MAX if unset. */
  readonly inFlightMax?: number;
  /** Told of a fault after which the process cannot go on; if unset it ends as an uncaught exception. */
  readonly onFatal?: (error: unknown) => void;
}

/** A running broker. */
export interface RunningBroker {
  /** host:port at which callers reach it. */
  readonly endpoint: string;
  readonly port: number;
  readonly opsPort: number;
  /** Random number of this start. */
  readonly incarnation: number;
  /** Refuses new work, flushes, gives its leases back, closes its storage. Idempotent. */
  stop(options?: StopOptions): Promise<void>;
}

/** Share of the cache for what was just appended: everybody who is not behind reads there. */
const TAIL_SHARE = 0.75;

/** Bytes that wait to be appended, of all partitions of the process. */
const APPEND_BYTES_MAX = 64 * 1024 * 1024;

/** Messages in flight, of all groups of the process. Counted without their bytes: what is sent is not kept. */
const IN_FLIGHT_MAX = 1_000_000;

/** Part of a stop's deadline that partitions may take to flush; the rest is for closing. */
const FLUSH_SHARE = 0.8;

/** How long calls that were just answered may take to leave: a busy caller must not lose what it was told. */
const LAST_ANSWERS_MS = 5_000;

/** All parts of one broker, wired once. */
interface Parts {
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly incarnation: number;
  readonly address: { endpoint: string };
  readonly embedded: EmbeddedEngine;
  readonly storage: Storage;
  readonly dataSources: DataSources;
  readonly holder: LeaseHolder;
  readonly tasks: TaskGroup;
  readonly meta: MetaClient;
  readonly catalog: Catalog;
  readonly ownership: Ownership;
  readonly subscriber: Subscriber;
  readonly retention: Retention;
  readonly server: GrpcServer;
  readonly drain: AbortController;
  session: LeaseSession | undefined;
}

/**
 * Starts a broker: opens its storage, binds its ports, then asks for leases. Resolves once it can be reached;
 * partitions come as they are granted. Throws ExitError if the data directory or a port cannot be had.
 */
export async function startBroker(config: BrokerConfig, dependencies: BrokerDependencies = {}): Promise<RunningBroker> {
  const onFatal = dependencies.onFatal ?? crash;
  const embedded = await openEmbedded(config.dataDir, dependencies.clock ?? systemClock, onFatal);
  const parts = wire(config, dependencies, embedded);
  try {
    const port = await parts.server.listen(config.host, config.brokerPort);
    parts.address.endpoint = formatAddress(advertisedHost(config), port);
    return await serve(parts, port);
  } catch (error) {
    await parts.server.stop(0);
    parts.meta.close();
    await parts.storage.close();
    throw error;
  }
}

async function serve(parts: Parts, port: number): Promise<RunningBroker> {
  const { config, metrics, logger, server, incarnation } = parts;
  const lease = openLease(parts, port);
  const { session } = lease;
  parts.session = session;
  const ops = await startOpsServer({
    host: config.host,
    port: config.brokerOpsPort,
    metrics,
    ready: () => session.connected && !session.isDraining,
  });
  const loop = watchEventLoop({ metrics, logger });
  await connectAhead(parts);
  session.start();
  parts.retention.start();
  server.setServing('', true);
  const { endpoint } = parts.address;
  logger.info({ endpoint, opsPort: ops.port, incarnation }, 'the broker is running');
  const lifecycle = new Lifecycle({
    start: () => Promise.resolve(),
    stop: async ({ deadlineMs }) => {
      loop.stop();
      await stop(parts, session, ops, deadlineMs);
      await lease.database?.close();
    },
  });
  await lifecycle.start();
  return {
    ...{ endpoint, port, incarnation },
    opsPort: ops.port,
    stop: (options) => lifecycle.stop(options ?? { deadlineMs: config.drainMs }),
  };
}

/** Not serving → give partitions back, those that wait for it are served → nothing new → close storage → close server. */
async function stop(parts: Parts, session: LeaseSession, ops: OpsServer, deadlineMs: number): Promise<void> {
  const { server, drain, ownership, subscriber, tasks, storage, meta, logger } = parts;
  logger.info({ deadlineMs }, 'the broker is stopping');
  server.setServing('', false);
  session.drain();
  parts.retention.stop();
  await ownership.drain(deadlineMs * FLUSH_SHARE);
  drain.abort();
  subscriber.end(new HermesError('DRAINING', 'the broker is stopping'));
  session.stop();
  await server.stop(Math.min(LAST_ANSWERS_MS, deadlineMs));
  await tasks.settled();
  await storage.close();
  meta.close();
  await ops.close();
}

function wire(config: BrokerConfig, given: BrokerDependencies, embedded: EmbeddedEngine): Parts {
  const { clock = systemClock, timers = systemTimers, random = systemRandom, onFatal = crash } = given;
  // eslint-disable-next-line no-restricted-syntax -- where a data source's password may be, by a name that only it knows.
  const { environment = process.env } = given;
  const logger = given.logger ?? createLogger({ component: 'broker', level: config.logLevel });
  const metrics = createMetrics('broker');
  const incarnation = random53(random);
  const holder = new LeaseHolder();
  const address = { endpoint: '' };
  const drain = new AbortController();
  const tasks = new TaskGroup((task, error) => {
    logger.fatal({ err: error, task }, 'a background task failed');
    onFatal(error);
  });
  const isLeased = (): boolean => clock.monotonicMs() < holder.expiresAtMs;
  let subscriptions = 0;
  const nextId = (): number => (subscriptions += 1);
  const services: PartitionServices = {
    ...{ clock, timers, random, logger, tasks, isLeased, nextSubscriptionId: nextId },
    tailCache: new TailCache(config.cacheBytes * TAIL_SHARE),
    pages: new PageCache({ bytesMax: config.cacheBytes * (1 - TAIL_SHARE), keyHash: keyHashOfRecord }),
    appendBudget: new ByteBudget(APPEND_BYTES_MAX),
    inFlight: new InFlightPool(given.inFlightMax ?? IN_FLIGHT_MAX),
    counters: createCounters(metrics),
    turns: new Turns(clock),
  };
  const meta = new MetaClient(config.metaServers, credentials.createInsecure());
  const catalog = new Catalog(meta, clock);
  const metadata = metadataOf(config);
  const dataSources = new DataSources({ environment, metadata, clock, timers, random, logger });
  const storage = new Storage(embedded, dataSources);
  const ownership = new Ownership({
    ...{ catalog, clock, timers, random, logger, tasks },
    endpoint: () => address.endpoint,
    hasMeta: () => parts.session?.connected === true,
    opener: new PartitionOpener(storage, services, incarnation),
    reports: {
      ready: (assignments) => parts.session?.ready(assignments),
      released: (assignment) => parts.session?.released(assignment),
      epochTooLow: (assignment, observed) => parts.session?.epochTooLow(assignment, observed),
    },
  });
  const subscriber = new Subscriber({ ownership, clock, timers, nextId });
  const { counters } = services;
  const retention = new Retention({ ownership, counters, clock, timers, tasks, logger });
  const server = createGrpcServer({ logger, metrics, reflection: config.reflection, clock });
  server.add(
    BrokerMessagingService,
    messagingHandlers({
      ownership,
      publisher: new Publisher(ownership, counters),
      puller: new Puller({ ownership, clock, timers, nextId }),
      acknowledger: new Acknowledger(ownership, services.counters),
      ...{ subscriber, clock, drain: drain.signal },
    }),
  );
  server.add(BrokerPartitionService, partitionHandlers(ownership));
  const isRenewedInDatabase = (): boolean => parts.session?.renewedInDatabase === true;
  registerMetrics(metrics, { ownership, subscriber, services, dataSources, isRenewedInDatabase });
  const parts: Parts = {
    ...{ config, clock, timers, random, logger, metrics, incarnation, address, holder, tasks, meta, catalog },
    ...{ embedded, storage, dataSources },
    ...{ ownership, subscriber, retention, server, drain },
    session: undefined,
  };
  return parts;
}

/** The way to the metadata database, where this broker was told one that it can reach. */
function metadataOf({ metadataUrl: url, metadataPasswordFile: passwordFile }: BrokerConfig): MysqlAccess | undefined {
  return url === undefined ? undefined : metadataAccess({ url, passwordFile });
}

/** The lease, and the database that renews it while no meta-server does. */
function openLease(parts: Parts, port: number): { session: LeaseSession; database: SharedBrokerLease | undefined } {
  const { config, clock, timers, random, logger, holder, ownership, dataSources } = parts;
  const identity: BrokerIdentity = {
    broker: config.brokerName ?? `${hostname()}-${port}`,
    incarnation: parts.incarnation,
    endpoint: parts.address.endpoint,
    host: hostname(),
    zone: config.zone ?? '',
    brokerGroup: config.brokerGroup,
    weight: config.brokerWeight,
    capacity: 0,
    dataDirectory: parts.embedded.directoryId,
    reachesMetadata: metadataOf(config) !== undefined,
  };
  const { metadataUrl: url, metadataPasswordFile: passwordFile } = config;
  const database = url === undefined ? url : openBrokerLease({ url, passwordFile, process: identity, clock, timers });
  const session = new LeaseSession({
    database,
    ...{ identity, holder, orders: ownership, dataSources: () => dataSources.reports(), clock, timers, random, logger },
    metaServers: config.metaServers,
    credentials: credentials.createInsecure(),
  });
  return { session, database };
}
