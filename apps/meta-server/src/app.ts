import { AdminServiceService, CoordinationServiceService, HermesError, type StorageClass } from '@hermes/contracts';
import { BrokerLeases, ConsumerLeases } from '@hermes/coordination';
import {
  advertisedHost,
  createGrpcServer,
  createLogger,
  createMetrics,
  EXIT_CODE,
  ExitError,
  formatAddress,
  type GrpcServer,
  type Logger,
  type Metrics,
  type OpsServer,
  startOpsServer,
  watchEventLoop,
} from '@hermes/kit';
import { type Metadata, openMetadata } from '@hermes/metadata';
import { type Clock, Lifecycle, Serial, systemClock, systemTimers, TaskGroup, type Timers } from '@hermes/runtime';

import { type Leader } from './admin/cluster.js';
import { adminHandlers } from './admin/handlers.js';
import { type MetaServerConfig } from './config.js';
import { BrokerLeaseHost } from './leases/broker-lease-host.js';
import { Cluster, leasedGroup, leasedTopic } from './leases/cluster.js';
import { ConsumerLeaseHost } from './leases/consumer-lease-host.js';
import { DataSourceNames } from './leases/data-source-names.js';
import { holdBrokerLease } from './leases/hold-broker-lease.js';
import { holdConsumerLease } from './leases/hold-consumer-lease.js';
import { persistWithRetry } from './leases/persist.js';
import { loadState } from './load-state.js';
import { registerMetrics } from './metrics.js';
import { RouteTable } from './routes/route-table.js';
import { RouteWatch } from './routes/watch-routes.js';
import { SERVED_STORAGE_CLASSES, STORAGE_CLASSES } from './storage-classes.js';

/** What tests replace. */
export interface MetaServerDependencies {
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** Storage classes that brokers serve. */
  readonly servedClasses?: ReadonlySet<StorageClass>;
  /** Told once of what the process cannot go on after; if unset it ends as an uncaught exception. */
  readonly onFatal?: (error: unknown) => void;
}

/** A running meta-server. */
export interface RunningMetaServer {
  /** host:port at which others reach it. */
  readonly endpoint: string;
  readonly port: number;
  readonly opsPort: number;
  /** Ends its streams with DRAINING, lets calls finish and closes the database last. Idempotent. */
  stop(options?: { readonly deadlineMs: number }): Promise<void>;
}

/** All parts of one meta-server, wired once. */
interface Parts {
  readonly metadata: Metadata;
  readonly brokers: BrokerLeaseHost;
  readonly consumers: ConsumerLeaseHost;
  readonly cluster: Cluster;
  readonly watch: RouteWatch;
  readonly serial: Serial;
  readonly tasks: TaskGroup;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly server: GrpcServer;
}

/** Opens the database and serves; throws ExitError with a plain sentence when it cannot. */
export async function startMetaServer(
  config: MetaServerConfig,
  dependencies: MetaServerDependencies = {},
): Promise<RunningMetaServer> {
  const metadata = await openMetadata({
    url: config.metadataUrl,
    passwordFile: config.metadataPasswordFile,
    holder: formatAddress(advertisedHost(config), config.metaPort),
    ...dependencies,
  });
  let server: GrpcServer | undefined;
  try {
    // The port is known only once it is bound, and nobody is answered before the leases run.
    const address = { endpoint: '' };
    const parts = await wire(config, { ...dependencies, metadata, address });
    server = parts.server;
    const port = await server.listen(config.host, config.metaPort);
    address.endpoint = formatAddress(advertisedHost(config), port);
    return await serve(config, parts, {
      address: { port, endpoint: address.endpoint },
      onFatal: dependencies.onFatal ?? crash,
    });
  } catch (error) {
    await server?.stop(0);
    await metadata.close();
    throw error;
  }
}

async function serve(
  config: MetaServerConfig,
  parts: Parts,
  {
    address,
    onFatal,
  }: {
    readonly address: { readonly port: number; readonly endpoint: string };
    readonly onFatal: (error: unknown) => void;
  },
): Promise<RunningMetaServer> {
  const { server, metrics, logger } = parts;
  let ready = false;
  const ops = await startOpsServer({
    host: config.host,
    port: config.metaOpsPort,
    metrics,
    ready: () => ready,
  });
  const loop = watchEventLoop({ metrics, logger });
  parts.brokers.start();
  server.setServing('', true);
  ready = true;
  const lifecycle = new Lifecycle({
    start: () => Promise.resolve(),
    stop: async ({ deadlineMs }) => {
      ready = false;
      loop.stop();
      await stop(parts, ops, deadlineMs);
    },
  });
  await lifecycle.start();
  void parts.metadata.leadership.lost.then((reason) => {
    ready = false;
    endStreams(parts, reason);
    onFatal(new ExitError(EXIT_CODE.UNAVAILABLE, `this meta-server leads no longer: ${reason.message}`));
  });
  return {
    ...address,
    opsPort: ops.port,
    stop: (options) => lifecycle.stop(options ?? { deadlineMs: config.drainMs }),
  };
}

async function stop(parts: Parts, ops: OpsServer, deadlineMs: number): Promise<void> {
  const { metadata, serial, tasks, server } = parts;
  endStreams(parts, new HermesError('DRAINING', 'this meta-server is stopping'));
  await server.stop(deadlineMs);
  await tasks.settled();
  await serial.run(() => Promise.resolve());
  await ops.close();
  await metadata.close();
}

/** Answers nobody any more who needs a leader; the first reason stands. */
function endStreams({ server, watch, cluster, brokers, consumers }: Parts, reason: HermesError): void {
  server.setServing('', false);
  watch.end(reason);
  cluster.stop(reason);
  brokers.stop(reason);
  consumers.stop(reason);
}

async function wire(
  config: MetaServerConfig,
  given: MetaServerDependencies & { readonly metadata: Metadata; readonly address: { readonly endpoint: string } },
): Promise<Parts> {
  const { metadata, clock = systemClock, timers = systemTimers, onFatal = crash } = given;
  const { leadership } = metadata;
  const logger = given.logger ?? createLogger({ component: 'meta-server', level: config.logLevel });
  const metrics = createMetrics('meta-server');
  const serial = new Serial();
  const tasks = new TaskGroup((task, error) => {
    logger.error({ err: error, task }, 'a background task failed');
  });
  const { topics, groups, assignments, brokers: known, formerTtlMs, ...stored } = await loadState(metadata, config);
  const dataSources = new DataSourceNames(stored.dataSources.map((record) => record.config));
  const nowMs = clock.monotonicMs();
  const brokerLeases = new BrokerLeases({
    ...{ assignments, nowMs, formerTtlMs },
    topics: topics.map((topic) => leasedTopic(topic, dataSources)),
    brokers: known,
    ttlMs: config.brokerLeaseTtlMs,
  });
  const consumerLeases = new ConsumerLeases({
    leadershipEpoch: leadership.epoch,
    groups: groups.map(({ group, topic }) => leasedGroup(group, topic)),
    nowMs,
    ttlMs: config.consumerLeaseTtlMs,
  });
  const table = new RouteTable(leadership.epoch);
  const watch = new RouteWatch(table);
  const consumers = new ConsumerLeaseHost({ leases: consumerLeases, clock, timers, leadership });
  const brokers = new BrokerLeaseHost({
    ...{ leases: brokerLeases, clock, timers, serial, tasks, leadership },
    onFatal: (error) => {
      // A write that failed because leadership is lost is told with that.
      if (leadership.isValid()) {
        onFatal(error);
      }
    },
    persist: persistWithRetry({ metadata, timers, logger }),
    onRoutes: (changed) => {
      table.apply(changed);
      consumers.apply((leases, atMs) => leases.routesChanged(changed, atMs));
    },
    onReady: (topic) => {
      cluster.readyChanged(topic);
    },
  });
  const cluster = new Cluster({ metadata, brokers, consumers, dataSources, serial, timers, tasks });
  groups.forEach(({ group }) => {
    cluster.noteGroup(group);
  });
  const routes = brokerLeases.routes();
  table.apply(routes);
  consumers.apply((leases, atMs) => leases.routesChanged(routes, atMs));
  const server = createGrpcServer({ logger, metrics, connectionAgeMs: 'none', reflection: config.reflection, clock });
  const served = { metadata, cluster, clock, timers, serial, brokers, consumers, watch };
  addServices(server, served, { config, ...given });
  registerMetrics(metrics, { metadata, brokers, consumers, cluster, watch, table });
  return { metadata, brokers, consumers, cluster, watch, serial, tasks, metrics, logger, server };
}

function addServices(
  server: GrpcServer,
  parts: Pick<Parts, 'metadata' | 'cluster' | 'serial' | 'brokers' | 'consumers' | 'watch'> & {
    readonly clock: Clock;
    readonly timers: Timers;
  },
  given: Pick<MetaServerDependencies, 'servedClasses'> & {
    readonly config: MetaServerConfig;
    readonly address: { readonly endpoint: string };
  },
): void {
  const { metadata, cluster, clock, timers, brokers, consumers, watch } = parts;
  const { config, address, servedClasses = SERVED_STORAGE_CLASSES } = given;
  const defaults = { storageClass: STORAGE_CLASSES[config.defaultStorageClass], servedClasses };
  const context = { metadata, cluster, clock, changes: parts.serial, defaults };
  const leader = (): Leader => ({ endpoint: address.endpoint, epoch: metadata.leadership.epoch });
  server.add(AdminServiceService, adminHandlers(context, cluster, leader));
  server.add(CoordinationServiceService, {
    holdBrokerLease: holdBrokerLease(brokers, { clock, timers }),
    holdConsumerLease: holdConsumerLease(consumers, { clock, timers }),
    watchRoutes: (request, stream) => watch.watch(request, stream),
  });
}

function crash(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
