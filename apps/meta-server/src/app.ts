import { HermesError } from '@hermes/contracts';
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
  startOpsServer,
  watchEventLoop,
} from '@hermes/kit';
import { type MetadataDatabase, openMetadata } from '@hermes/metadata';
import { type Clock, Lifecycle, systemClock, systemTimers, type Timers } from '@hermes/runtime';

import { type MetaServerConfig } from './config.js';
import { Election } from './election.js';
import { registerMetrics } from './metrics.js';
import { addServices } from './services.js';
import { Term } from './term.js';

/** What tests replace. */
export interface MetaServerDependencies {
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly timers?: Timers;
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

/** Opens the database and serves; throws ExitError with a plain sentence when it cannot. */
export async function startMetaServer(
  config: MetaServerConfig,
  dependencies: MetaServerDependencies = {},
): Promise<RunningMetaServer> {
  const { clock = systemClock, timers = systemTimers } = dependencies;
  const database = await openMetadata({
    ...{ url: config.metadataUrl, passwordFile: config.metadataPasswordFile, clock, timers },
  });
  const logger = dependencies.logger ?? createLogger({ component: 'meta-server', level: config.logLevel });
  const metrics = createMetrics('meta-server');
  const server = createGrpcServer({ logger, metrics, connectionAgeMs: 'none', reflection: config.reflection, clock });
  const running: Started = { database, logger, metrics, server };
  try {
    return await serve(running, config, { ...dependencies, clock, timers });
  } catch (error) {
    await running.election?.stop(STOPPING);
    await server.stop(0);
    await database.close();
    throw error;
  }
}

const STOPPING = new HermesError('DRAINING', 'this meta-server is stopping');

/** What has been started, and must be stopped. */
interface Started {
  readonly database: MetadataDatabase;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly server: GrpcServer;
  election?: Election;
}

/** Binds the ports before it takes part in the election: whoever leads is referred to by its address. */
async function serve(
  started: Started,
  config: MetaServerConfig,
  given: MetaServerDependencies & { readonly clock: Clock; readonly timers: Timers },
): Promise<RunningMetaServer> {
  const { database, logger, metrics, server } = started;
  const { clock, timers, onFatal = crash } = given;
  const address = { endpoint: '' };
  const election = new Election({
    ...{ database, timers, logger, onFatal },
    endpoint: () => address.endpoint,
    begin: (metadata) =>
      Term.begin(metadata, {
        ...{ config, logger, clock, timers, onFatal },
        endpoint: address.endpoint,
        metaServers: database.metaServers,
      }),
  });
  started.election = election;
  addServices(server, database.reads, election);
  registerMetrics(metrics, election);
  const port = await server.listen(config.host, config.metaPort);
  address.endpoint = formatAddress(advertisedHost(config), port);
  let ready = false;
  const ops = await startOpsServer({ host: config.host, port: config.metaOpsPort, metrics, ready: () => ready });
  const loop = watchEventLoop({ metrics, logger });
  const stop = async (deadlineMs: number): Promise<void> => {
    ready = false;
    loop.stop();
    server.setServing('', false);
    await election.stop(STOPPING);
    await server.stop(deadlineMs);
    await ops.close();
    await database.close();
  };
  const lifecycle = new Lifecycle({
    start: () => election.start(),
    stop: ({ deadlineMs }) => stop(deadlineMs),
  });
  try {
    await lifecycle.start();
  } catch (error) {
    loop.stop();
    await ops.close();
    throw error;
  }
  server.setServing('', true);
  ready = true;
  return {
    endpoint: address.endpoint,
    port,
    opsPort: ops.port,
    stop: (options) => lifecycle.stop(options ?? { deadlineMs: config.drainMs }),
  };
}
