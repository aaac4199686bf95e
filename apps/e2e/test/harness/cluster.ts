import { join } from 'node:path';

import { freePort, temporaryDirectory, type TemporaryDirectory } from '@hermes/testing';

import { HermesProcess } from './hermes-process.js';

/** What a test may choose about its cluster. */
export interface ClusterOptions {
  readonly brokers?: number;
  /** Broker and consumer leases; document 8's default is 10 s, tests that wait for an expiry take less. */
  readonly leaseTtlMs?: number;
  /** Further flags of the brokers. */
  readonly brokerFlags?: readonly string[];
  /** Further environment of the brokers: passwords of data sources. */
  readonly brokerEnvironment?: Readonly<Record<string, string>>;
  /** Further environment of a process, by its title: `broker-0`, `meta-server-0`, `gateway`. */
  readonly environmentOf?: (title: string) => Readonly<Record<string, string>>;
  /** Where the metadata is, for meta-servers and brokers; embedded if unset. */
  readonly metadata?: { readonly url: string; readonly passwordFile: string };
  /** Meta-servers; more than one need metadata that they can share. One if unset. */
  readonly metaServers?: number;
  /** Told where each process will listen, by its title, before the first is started. */
  readonly onPlaced?: (endpoints: ReadonlyMap<string, string>) => Promise<void>;
}

const DEFAULTS = {
  ...{ brokers: 2, metaServers: 1, leaseTtlMs: 10_000, brokerFlags: [], brokerEnvironment: {} },
  environmentOf: (): Readonly<Record<string, string>> => ({}),
  onPlaced: (): Promise<void> => Promise.resolve(),
};

/** A meta-server process; it keeps its ports over restarts. */
export interface MetaProcess {
  readonly endpoint: string;
  readonly opsPort: number;
  readonly process: HermesProcess;
}

/** A broker process with its own data directory; it keeps ports and directory over restarts. */
export interface BrokerProcess {
  readonly name: string;
  readonly endpoint: string;
  readonly opsPort: number;
  readonly process: HermesProcess;
}

/** A whole cluster of separate processes on this machine: meta-servers, brokers, one gateway. */
export class Cluster implements AsyncDisposable {
  readonly metas: MetaProcess[] = [];
  readonly brokers: BrokerProcess[] = [];
  readonly #options: Required<Omit<ClusterOptions, 'metadata'>>;
  readonly #metadata: ClusterOptions['metadata'];
  readonly #directory: TemporaryDirectory;
  #gateway: HermesProcess | undefined;
  #gatewayEndpoint = '';
  #gatewayOpsPort = 0;

  private constructor(options: ClusterOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#directory = temporaryDirectory('hermes-e2e-');
    this.#metadata = options.metadata;
  }

  /** Starts every process and waits until all are ready. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The meta-server, where there is one. */
  get meta(): HermesProcess {
    return present(this.metas[0]).process;
  }

  get gateway(): HermesProcess {
    return present(this.#gateway);
  }

  get metaEndpoint(): string {
    return present(this.metas[0]).endpoint;
  }

  get metaOpsPort(): number {
    return present(this.metas[0]).opsPort;
  }

  get metaEndpoints(): string[] {
    return this.metas.map(({ endpoint }) => endpoint);
  }

  get gatewayEndpoint(): string {
    return this.#gatewayEndpoint;
  }

  get gatewayOpsPort(): number {
    return this.#gatewayOpsPort;
  }

  get processes(): HermesProcess[] {
    const all = [...this.metas, ...this.brokers].map(({ process }) => process);
    return this.#gateway === undefined ? all : [...all, this.#gateway];
  }

  /** Where a process keeps its data: `meta`, or a broker's name. */
  directoryOf(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Starts one more broker, with flags of its own, and waits until it is ready. */
  async addBroker(flags: readonly string[] = []): Promise<BrokerProcess> {
    const broker = await this.#createBroker(flags);
    await broker.process.startReady();
    return broker;
  }

  /** Ends all processes by SIGKILL at once. */
  async killAll(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end('SIGKILL')));
  }

  /** Starts all processes again, on their ports and directories. */
  async restartAll(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.startReady()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killAll();
    this.#directory.remove();
  }

  async #start(): Promise<void> {
    for (let i = 0; i < this.#options.metaServers; i += 1) {
      this.metas.push(await this.#createMeta());
    }
    for (let i = 0; i < this.#options.brokers; i += 1) {
      await this.#createBroker();
    }
    await this.#createGateway();
    const listening = [...this.metas, ...this.brokers].map(
      ({ process, endpoint }) => [process.title, endpoint] as const,
    );
    await this.#options.onPlaced(new Map([...listening, [this.gateway.title, this.#gatewayEndpoint]]));
    await this.restartAll();
  }

  async #createMeta(): Promise<MetaProcess> {
    const [port, opsPort] = [await freePort(), await freePort()];
    const ttl = String(this.#options.leaseTtlMs);
    const embedded = ['--metadata-url', `sqlite:${join(this.#directory.path, 'meta', 'meta.db')}`];
    const title = `meta-server-${this.metas.length}`;
    const process = new HermesProcess(
      title,
      [
        ...['meta-server', '--meta-port', String(port), '--meta-ops-port', String(opsPort)],
        ...(this.#metadata === undefined ? embedded : this.#metadataFlags),
        ...['--broker-lease-ttl-ms', ttl, '--consumer-lease-ttl-ms', ttl],
      ],
      opsPort,
      this.#options.environmentOf(title),
    );
    return { endpoint: `127.0.0.1:${port}`, opsPort, process };
  }

  get #metadataFlags(): string[] {
    const metadata = this.#metadata;
    return metadata === undefined
      ? []
      : ['--metadata-url', metadata.url, '--metadata-password-file', metadata.passwordFile];
  }

  async #createBroker(flags: readonly string[] = []): Promise<BrokerProcess> {
    const [port, opsPort] = [await freePort(), await freePort()];
    const name = `broker-${this.brokers.length}`;
    const process = new HermesProcess(
      name,
      [
        ...['broker', '--broker-port', String(port), '--broker-ops-port', String(opsPort), '--broker-name', name],
        ...['--data-dir', join(this.#directory.path, name), '--meta-servers', this.metaEndpoints.join(',')],
        ...this.#metadataFlags,
        ...this.#options.brokerFlags,
        ...flags,
      ],
      opsPort,
      { ...this.#options.brokerEnvironment, ...this.#options.environmentOf(name) },
    );
    const broker = { name, endpoint: `127.0.0.1:${port}`, opsPort, process };
    this.brokers.push(broker);
    return broker;
  }

  async #createGateway(): Promise<void> {
    const [port, opsPort] = [await freePort(), await freePort()];
    this.#gatewayEndpoint = `127.0.0.1:${port}`;
    this.#gatewayOpsPort = opsPort;
    this.#gateway = new HermesProcess(
      'gateway',
      [
        ...['gateway', '--gateway-port', String(port), '--gateway-ops-port', String(opsPort)],
        ...['--meta-servers', this.metaEndpoints.join(',')],
      ],
      opsPort,
      this.#options.environmentOf('gateway'),
    );
  }
}

function present<T>(part: T | undefined): T {
  if (part === undefined) {
    throw new Error('the cluster has not been started');
  }
  return part;
}
