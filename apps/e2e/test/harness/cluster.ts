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
  /** Where the metadata is; embedded if unset. */
  readonly metadataUrl?: string;
}

/** A broker process with its own data directory; it keeps ports and directory over restarts. */
export interface BrokerProcess {
  readonly name: string;
  readonly endpoint: string;
  readonly opsPort: number;
  readonly process: HermesProcess;
}

/** A whole cluster of separate processes on this machine: one meta-server, some brokers, one gateway. */
export class Cluster implements AsyncDisposable {
  readonly brokers: BrokerProcess[] = [];
  readonly #options: Required<Omit<ClusterOptions, 'metadataUrl'>>;
  readonly #metadataUrl: string;
  readonly #directory: TemporaryDirectory;
  #meta: HermesProcess | undefined;
  #gateway: HermesProcess | undefined;
  #metaEndpoint = '';
  #metaOpsPort = 0;
  #gatewayEndpoint = '';
  #gatewayOpsPort = 0;

  private constructor(options: ClusterOptions) {
    this.#options = { brokers: 2, leaseTtlMs: 10_000, brokerFlags: [], brokerEnvironment: {}, ...options };
    this.#directory = temporaryDirectory('hermes-e2e-');
    this.#metadataUrl = options.metadataUrl ?? `sqlite:${join(this.#directory.path, 'meta', 'meta.db')}`;
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

  get meta(): HermesProcess {
    return present(this.#meta);
  }

  get gateway(): HermesProcess {
    return present(this.#gateway);
  }

  get metaEndpoint(): string {
    return this.#metaEndpoint;
  }

  get metaOpsPort(): number {
    return this.#metaOpsPort;
  }

  get gatewayEndpoint(): string {
    return this.#gatewayEndpoint;
  }

  get gatewayOpsPort(): number {
    return this.#gatewayOpsPort;
  }

  get processes(): HermesProcess[] {
    const all = [this.#meta, ...this.brokers.map((broker) => broker.process), this.#gateway];
    return all.filter((process) => process !== undefined);
  }

  /** Where a process keeps its data: `meta`, or a broker's name. */
  directoryOf(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Starts one more broker and waits until it is ready. */
  async addBroker(): Promise<BrokerProcess> {
    const broker = await this.#createBroker();
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
    await this.#createMeta();
    for (let i = 0; i < this.#options.brokers; i += 1) {
      await this.#createBroker();
    }
    await this.#createGateway();
    await this.restartAll();
  }

  async #createMeta(): Promise<void> {
    const [port, opsPort] = [await freePort(), await freePort()];
    this.#metaEndpoint = `127.0.0.1:${port}`;
    this.#metaOpsPort = opsPort;
    const ttl = String(this.#options.leaseTtlMs);
    this.#meta = new HermesProcess(
      'meta-server',
      [
        ...['meta-server', '--meta-port', String(port), '--meta-ops-port', String(opsPort)],
        ...['--metadata-url', this.#metadataUrl],
        ...['--broker-lease-ttl-ms', ttl, '--consumer-lease-ttl-ms', ttl],
      ],
      opsPort,
    );
  }

  async #createBroker(): Promise<BrokerProcess> {
    const [port, opsPort] = [await freePort(), await freePort()];
    const name = `broker-${this.brokers.length}`;
    const process = new HermesProcess(
      name,
      [
        ...['broker', '--broker-port', String(port), '--broker-ops-port', String(opsPort), '--broker-name', name],
        ...['--data-dir', join(this.#directory.path, name), '--meta-servers', this.#metaEndpoint],
        ...this.#options.brokerFlags,
      ],
      opsPort,
      this.#options.brokerEnvironment,
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
        ...['--meta-servers', this.#metaEndpoint],
      ],
      opsPort,
    );
  }
}

function present(process: HermesProcess | undefined): HermesProcess {
  if (process === undefined) {
    throw new Error('the cluster has not been started');
  }
  return process;
}
