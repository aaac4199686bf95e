import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { HermesError, invalidField, LIMITS } from '@hermes/contracts';
import { Admin } from './admin.js';
import { Cluster } from './cluster/cluster.js';
import { type Environment, systemEnvironment } from './cluster/environment.js';
import { GatewayLink } from './cluster/gateway-link.js';
import { type Link } from './cluster/link.js';
import { type Codec, jsonCodec } from './codec.js';
import { Consumer, type Drainable } from './consumer.js';
import { type SettleFailureListener } from './delivery.js';
import { type Flushable, Producer } from './producer.js';
import { within } from './within.js';

const VERSION = '0.1.0';
const GATEWAY_DEFAULT = '127.0.0.1:4380';
const CONCURRENCY_DEFAULT = 16;
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
  /** Time and chance, for tests. */
  readonly environment?: Environment;
}

/** How a producer encodes. */
export interface ProducerOptions<T> {
  /** JSON if unset. */
  readonly codec?: Codec<T>;
}

/** How a consumer works. */
export interface ConsumeOptions<T> {
  /** Name within the group; random if unset. The later of two equal names wins. */
  readonly name?: string;
  /** Handlers that run at once; 16 if unset. */
  readonly concurrency?: number;
  /** Deliveries held at once, 1 to 10,000; 1,000 if unset. */
  readonly maxInFlight?: number;
  /** JSON if unset. */
  readonly codec?: Codec<T>;
  /** Told of decisions that a server refused; the message is then delivered again, or is already settled. */
  readonly onSettleFailure?: SettleFailureListener;
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

  constructor(link: Link, environment: Environment, timeoutMs: number) {
    this.#link = link;
    this.#environment = environment;
    this.#timeoutMs = timeoutMs;
    this.admin = new Admin(link, environment);
  }

  /** Publishes to a topic. */
  producer<T = unknown>(topic: string, { codec = jsonCodec<T>() }: ProducerOptions<T> = {}): Producer<T> {
    const deps = { link: this.#link, environment: this.#environment, timeoutMs: this.#timeoutMs };
    return new Producer(topic, codec, { ...deps, active: this.#producers });
  }

  /** Takes part in a group of a topic, once it runs or is iterated. */
  consumer<T = unknown>(topic: string, group: string, options: ConsumeOptions<T> = {}): Consumer<T> {
    const { name = `${hostname()}-${randomUUID()}`, concurrency = CONCURRENCY_DEFAULT } = options;
    const { codec = jsonCodec<T>(), maxInFlight = LIMITS.inFlightMessages.default, onSettleFailure } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw invalidField('concurrency', 'at least 1');
    }
    const { min, max } = LIMITS.inFlightMessages;
    if (!Number.isInteger(maxInFlight) || maxInFlight < min || maxInFlight > max) {
      throw invalidField('maxInFlight', `${min} to ${max}`);
    }
    const settings = { name, concurrency, maxInFlight, ...(onSettleFailure === undefined ? {} : { onSettleFailure }) };
    const deps = { link: this.#link, environment: this.#environment, active: this.#consumers };
    return new Consumer({ topic, group }, codec, settings, deps);
  }

  /** Withdraws a scheduled message: comes with a later release. */
  cancelSchedule(scheduleId: string): Promise<boolean> {
    const error = new HermesError('NOT_IMPLEMENTED', 'CancelSchedule is not implemented', { details: { scheduleId } });
    return Promise.reject(error);
  }

  /**
   * Drains consumers, then waits for publishes, together at most for `deadlineMs` (10 s) and the 2 s in which what was
   * given back is answered; then closes the connections.
   */
  close({ deadlineMs = CLOSE_DEADLINE_MS }: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

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
  const { gateway, metaServers, clientId, environment = systemEnvironment } = options;
  const timeoutMs = options.timeoutMs ?? LIMITS.clientDeadlineMs;
  if (!(timeoutMs > 0)) {
    throw invalidField('timeoutMs', 'more than 0');
  }
  if (options.token !== undefined || options.tls !== undefined) {
    throw new HermesError('NOT_IMPLEMENTED', 'token and tls are not implemented in this release');
  }
  if (gateway !== undefined && metaServers !== undefined) {
    throw invalidField('gateway', 'either gateway or metaServers');
  }
  const identity = { id: clientId ?? `sdk-${randomUUID()}`, version: VERSION };
  if (metaServers === undefined) {
    return new Hermes(new GatewayLink(gateway ?? GATEWAY_DEFAULT, identity, environment), environment, timeoutMs);
  }
  const cluster = new Cluster({ metaServers, identity, environment });
  cluster.start();
  if ((await within(environment.timers, timeoutMs, cluster.ready)) === 'late') {
    cluster.close();
    throw new HermesError('NO_LEADER', `no meta-server of ${metaServers.join(', ')} has answered in ${timeoutMs} ms`);
  }
  return new Hermes(cluster, environment, timeoutMs);
}
