import { randomUUID } from 'node:crypto';
import { checkGroupName, checkTopicName, HermesError, invalidField, LIMITS, notImplemented } from '@hermes/contracts';
import { Admin } from './admin.js';
import { Cluster, type ClusterOptions } from './cluster/cluster.js';
import { type Environment, systemEnvironment } from './cluster/environment.js';
import { GatewayLink } from './cluster/gateway-link.js';
import { type Link } from './cluster/link.js';
import { type Codec, jsonCodec } from './codec.js';
import { type ConsumeOptions, consumerOptions, refuse } from './consume-options.js';
import { Consumer, type Drainable } from './consumer.js';
import { type Flushable, Producer } from './producer.js';
import { within } from './within.js';

const VERSION = '0.1.0';
const GATEWAY_DEFAULT = '127.0.0.1:4380';
const CLOSE_DEADLINE_MS = 10_000;
/** No timer fires later; this one never does anything. */
const FOREVER_MS = 2 ** 31 - 1;

/** How to reach Hermes: through a gateway (127.0.0.1:4380 if nothing is said), or straight to the brokers. */
export interface ConnectOptions {
  /** host:port of a gateway. */
  readonly gateway?: string;
  /** host:port of each meta-server: the owners are then called directly. */
  readonly metaServers?: readonly string[];
  /** Names this client to servers; random if unset. */
  readonly clientId?: string;
  /** Time for a publish; 10 s if unset. */
  readonly timeoutMs?: number;
  /** Not implemented in this release: refused. */
  readonly token?: string;
  /** Not implemented in this release: refused. */
  readonly tls?: object;
  /** @internal Time and chance, for tests. */
  readonly environment?: Environment;
}

/** How a producer encodes. */
export interface ProducerOptions<T> {
  /** JSON if unset. */
  readonly codec?: Codec<T>;
}

/** A connection to Hermes; makes producers and consumers. The process lives until it is closed. */
export class Hermes implements AsyncDisposable {
  /** Topics, groups and the cluster. */
  readonly admin: Admin;
  readonly #link: Link;
  readonly #environment: Environment;
  readonly #timeoutMs: number;
  readonly #producers = new Set<Flushable>();
  readonly #consumers = new Set<Drainable>();
  /** Waiting for a server that is away holds no socket: without this the process would end in the middle of it. */
  readonly #keepAlive = setInterval(() => undefined, FOREVER_MS);
  #closing: Promise<void> | undefined;

  /** @internal Made by `connect`. */
  constructor(link: Link, environment: Environment, timeoutMs: number) {
    this.#link = link;
    this.#environment = environment;
    this.#timeoutMs = timeoutMs;
    this.admin = new Admin(link, environment);
  }

  /** Publishes to a topic. */
  producer<T = unknown>(topic: string, { codec = jsonCodec<T>() }: ProducerOptions<T> = {}): Producer<T> {
    refuse(checkTopicName(topic));
    const deps = { link: this.#link, environment: this.#environment, timeoutMs: this.#timeoutMs };
    return new Producer(topic, codec, { ...deps, active: this.#producers });
  }

  /** Takes part in a group of a topic, once it runs or is iterated. */
  consumer<T = unknown>(topic: string, group: string, options: ConsumeOptions<T> = {}): Consumer<T> {
    refuse(checkTopicName(topic) ?? checkGroupName(group));
    const deps = { link: this.#link, environment: this.#environment, active: this.#consumers };
    return new Consumer({ topic, group }, options.codec ?? jsonCodec<T>(), consumerOptions(options), deps);
  }

  /** Withdraws a message that waits for its time. False if it does not wait any more: it was delivered, or withdrawn. */
  async cancelSchedule(scheduleId: string): Promise<boolean> {
    const deadlineAtMs = this.#environment.clock.monotonicMs() + this.#timeoutMs;
    try {
      await this.#link.cancelSchedule(scheduleId, { deadlineAtMs });
      return true;
    } catch (error) {
      if (error instanceof HermesError && error.code === 'SCHEDULE_NOT_FOUND') {
        return false;
      }
      throw error;
    }
  }

  /**
   * Drains consumers, then waits for publishes, together at most for `deadlineMs` (10 s) and the 2 s in which what was
   * given back is answered; then closes the connections.
   */
  close({ deadlineMs = CLOSE_DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(deadlineMs: number): Promise<void> {
    const { clock, timers } = this.#environment;
    const deadlineAtMs = clock.monotonicMs() + deadlineMs;
    // Handlers publish too: their messages are waited for last.
    await Promise.all([...this.#consumers].map((consumer) => consumer.drain({ deadlineMs })));
    const flushed = Promise.all([...this.#producers].map((producer) => producer.flushed()));
    await within(timers, Math.max(0, deadlineAtMs - clock.monotonicMs()), flushed);
    clearInterval(this.#keepAlive);
    this.#link.close();
  }
}

/** Connects; resolves at once through a gateway, and once the routes are known when speaking to the brokers. */
export async function connect(options: ConnectOptions = {}): Promise<Hermes> {
  checkConnect(options);
  const { gateway = GATEWAY_DEFAULT, metaServers, clientId, environment = systemEnvironment } = options;
  const { timeoutMs = LIMITS.clientDeadlineMs } = options;
  const identity = { id: clientId ?? `sdk-${randomUUID()}`, version: VERSION };
  const link =
    metaServers === undefined
      ? new GatewayLink(gateway, identity, environment)
      : await openCluster({ metaServers, identity, environment }, timeoutMs);
  return new Hermes(link, environment, timeoutMs);
}

function checkConnect({ gateway, metaServers, token, tls, timeoutMs }: ConnectOptions): void {
  if (token !== undefined || tls !== undefined) {
    throw notImplemented('token and tls');
  }
  if (gateway !== undefined && metaServers !== undefined) {
    throw invalidField('gateway', 'either gateway or metaServers');
  }
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw invalidField('timeoutMs', 'more than 0');
  }
}

/** Follows the routes; NO_LEADER if they do not come in time. */
async function openCluster(options: Required<Omit<ClusterOptions, 'publishBytesMax'>>, limitMs: number): Promise<Link> {
  const cluster = new Cluster(options);
  cluster.start();
  if ((await within(options.environment.timers, limitMs, cluster.ready)) === 'late') {
    cluster.close();
    const servers = options.metaServers.join(', ');
    throw new HermesError('NO_LEADER', `no meta-server of ${servers} has answered in ${limitMs} ms`);
  }
  return cluster;
}
