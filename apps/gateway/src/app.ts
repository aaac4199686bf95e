import { randomUUID } from 'node:crypto';
import { Cluster, type Environment, systemEnvironment } from '@hermes/client/cluster';
import { RawMessagingService, RawPartitionService } from '@hermes/contracts';
import {
  advertisedHost,
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
import { Lifecycle, type LifecycleState, type Service, type StopOptions } from '@hermes/runtime';
import { adminService, bytesAdminService } from './admin-service.js';
import { type GatewayConfig } from './config.js';
import { messagingService } from './messaging-service.js';
import { partitionService } from './partition-service.js';
import { Subscribers } from './subscribers.js';

const VERSION = '0.1.0';

/** What a gateway takes from outside. */
export interface GatewayDeps {
  readonly logger?: Logger;
  readonly metrics?: Metrics;
  readonly environment?: Environment;
}

/** A gateway process: one address for the whole cluster. It keeps no state that outlives its connections. */
export class Gateway implements Service {
  readonly #config: GatewayConfig;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #cluster: Cluster;
  readonly #subscribers: Subscribers;
  readonly #server: GrpcServer;
  readonly #lifecycle: Lifecycle;
  readonly #drain = new AbortController();
  #ops: OpsServer | undefined;
  #eventLoop: { stop(): void } | undefined;
  #port = 0;
  #ready = false;

  constructor(config: GatewayConfig, deps: GatewayDeps = {}) {
    const environment = deps.environment ?? systemEnvironment;
    this.#config = config;
    this.#logger = deps.logger ?? createLogger({ component: 'gateway', level: config.logLevel });
    this.#metrics = deps.metrics ?? createMetrics('gateway');
    const identity = { id: `gateway-${randomUUID()}`, version: VERSION };
    this.#cluster = new Cluster({ metaServers: config.metaServers, identity, environment });
    this.#subscribers = new Subscribers(this.#cluster, environment);
    this.#server = createGrpcServer({ logger: this.#logger, metrics: this.#metrics, reflection: config.reflection });
    const messaging = messagingService({ cluster: this.#cluster, environment }, this.#subscribers, this.#drain.signal);
    this.#server.add(RawMessagingService, messaging);
    this.#server.add(RawPartitionService, partitionService(this.#cluster, environment));
    this.#server.add(bytesAdminService, adminService(this.#cluster, environment));
    this.#registerMetrics();
    this.#lifecycle = new Lifecycle({ start: () => this.#start(), stop: (options) => this.#stop(options) });
  }

  get state(): LifecycleState {
    return this.#lifecycle.state;
  }

  /** Port of the gRPC server, once started. */
  get port(): number {
    return this.#port;
  }

  /** Port of the ops server, once started. */
  get opsPort(): number {
    return this.#ops?.port ?? 0;
  }

  /** host:port for callers, once started. */
  get endpoint(): string {
    return formatAddress(advertisedHost(this.#config), this.#port);
  }

  start(): Promise<void> {
    return this.#lifecycle.start();
  }

  /** Ends streams with DRAINING, lets running calls finish until the deadline, and closes. */
  stop(options?: StopOptions): Promise<void> {
    return this.#lifecycle.stop(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { host, gatewayPort, gatewayOpsPort } = this.#config;
    this.#port = await this.#server.listen(host, gatewayPort);
    this.#ops = await startOpsServer({
      host,
      port: gatewayOpsPort,
      metrics: this.#metrics,
      ready: () => this.#ready,
    });
    this.#eventLoop = watchEventLoop({ metrics: this.#metrics, logger: this.#logger });
    this.#cluster.start();
    void this.#cluster.ready.then(() => {
      this.#setReady(this.state === 'running' || this.state === 'starting');
    });
    this.#logger.info({ endpoint: this.endpoint, opsPort: this.opsPort }, 'the gateway listens');
  }

  async #stop({ deadlineMs }: StopOptions): Promise<void> {
    this.#setReady(false);
    this.#drain.abort();
    await this.#subscribers.drain();
    await this.#server.stop(deadlineMs);
    this.#cluster.close();
    this.#eventLoop?.stop();
    await this.#ops?.close();
    this.#logger.info({}, 'the gateway has stopped');
  }

  #setReady(ready: boolean): void {
    this.#ready = ready;
    this.#server.setServing('', ready);
  }

  #registerMetrics(): void {
    const { channels, publisher } = this.#cluster;
    const gauges = {
      subscriptions: { help: 'Open subscriptions.', read: () => this.#subscribers.size },
      publish_queue_bytes: { help: 'Messages on their way to their owners.', read: () => publisher.budget.used },
      channels: { help: 'Open connections to brokers and meta-servers.', read: () => channels.size },
      consumer_leases: { help: 'Consumers that hold leases through this gateway.', read: () => this.#cluster.members },
      routes_fresh: { help: '1 while routes follow a meta-server.', read: () => (this.#cluster.fresh ? 1 : 0) },
    };
    for (const [name, gauge] of Object.entries(gauges)) {
      this.#metrics.gauge(name, gauge);
    }
  }
}

/** Starts a gateway; it listens once this resolves, and is ready (health, /readyz) once it knows the routes. */
export async function startGateway(config: GatewayConfig, deps: GatewayDeps = {}): Promise<Gateway> {
  const gateway = new Gateway(config, deps);
  try {
    await gateway.start();
    return gateway;
  } catch (error) {
    await gateway.stop({ deadlineMs: 0 });
    throw error;
  }
}
